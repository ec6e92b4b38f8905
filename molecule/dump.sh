#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything of this machine and its pods that the collection could touch, as text; two equal dumps mean two equal machines.
LC_ALL=C
export LC_ALL
# iptables-nft keeps a table, and its built-in chains, once something has used it: without a rule, and with the policy
# ACCEPT, that says nothing.
without_empty() {
    awk '
        /^[*]/ { table = $0; chains = 0; rules = ""; used = " "; next }
        /^:/ { chain[++chains] = $0; next }
        /^-A/ { rules = rules $0 "\n"; used = used $2 " "; next }
        /^COMMIT/ {
            text = ""
            for (i = 1; i <= chains; i++) {
                split(substr(chain[i], 2), word, " ")
                if (word[2] != "ACCEPT" || index(used, " " word[1] " ")) text = text chain[i] "\n"
            }
            if (text rules != "") printf "%s\n%s%s%s\n", table, text, rules, $0
        }'
}
# Its arguments, if any, stand before the commands and say where to run them.
rules() {
    for save in iptables-save ip6tables-save; do "$@" $save | sed 's/\[[0-9]*:[0-9]*\]//' | without_empty; done
}
tables() {
    echo "== $1"
    rules
    ip -4 rule; ip -6 rule
    ip -4 route show table all; ip -6 route show table all | sed 's/ expires [0-9]*sec//'
    ip address | sed -e 's/^[0-9]*: //' -e 's/valid_lft.*//' -e 's/ permaddr .*//'
    for kind in ipip ip6tnl; do ip -details link show type $kind; done | sed 's/^[0-9]*: //'
    sysctl -a 2>/dev/null | grep -E '^net\.ipv[46]\.(conf\.(all|default|dsr.|lo)\.|ip_forward|fib_multipath|vs\.)' | grep -v stable_secret
}
tables node
ipset save
[ ! -e /proc/net/ip_vs ] || ipvsadm -S -n
[ ! -S /run/frr/zebra.vty ] || vtysh -c 'show running-config'
[ ! -e /run/frr ] || pgrep --list-name --exact 'bgpd|bfdd' | sed 's/^[0-9]* //' | sort
find /etc /usr/local /var/lib/systemd -xdev -type f -exec sha256sum {} + | sort -k 2
find /etc /run/baremetal-dsr -xdev -type l 2>/dev/null | sort
ls /run
systemctl list-units --all --plain --no-legend --type=service,timer,socket | awk '{print $1, $3}' | grep -v '^user\|systemd-\|ssh@' | sort
# Where there is no containerd, ctr waits for it.
[ -S /run/containerd/containerd.sock ] || exit 0
for task in $(ctr task ls -q | sort); do
    pid=$(ctr task ls | awk -v name="$task" '$1 == name {print $2}')
    in_pod() { nsenter --net="/proc/$pid/ns/net" "$@"; }
    {
        rules in_pod
        # Of a set that was made anew.
        in_pod ipset save | sed -E 's/ (hashsize|bucketsize|initval) [^ ]+//g'
        in_pod ip fou show
        in_pod sh -c "$(cat <<INNER
ip address | sed -e 's/^[0-9]*: //' -e 's/valid_lft.*//' -e 's/ permaddr .*//'; ip -4 route show table all; ip -6 route show table all
sysctl -a 2>/dev/null | grep -E '^net\.ipv[46]\.conf\.(all|default|dsr.|eth0|lo)\.' | grep -v stable_secret
INNER
)"
    } | sed "s/^/$task: /"
done
