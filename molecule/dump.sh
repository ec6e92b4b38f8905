#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything of this machine and its pods that the collection could touch, as text; two equal dumps mean two equal machines.
LC_ALL=C
export LC_ALL
tables() {
    echo "== $1"
    for save in iptables-save ip6tables-save; do $save | sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]//'; done
    ip -4 rule; ip -6 rule
    ip -4 route show table all; ip -6 route show table all | sed 's/ expires [0-9]*sec//'
    ip address | sed -e 's/^[0-9]*: //' -e 's/valid_lft.*//' -e 's/ permaddr .*//'
    for kind in ipip ip6tnl; do ip -details link show type $kind; done | sed 's/^[0-9]*: //'
    sysctl -a 2>/dev/null | grep -E '^net\.ipv[46]\.(conf\.(all|default|dsr.|lo)\.|ip_forward|fib_multipath|vs\.)' | grep -v stable_secret
}
tables node
ipset save
[ ! -e /proc/net/ip_vs ] || ipvsadm -S -n
find /etc /usr/local /var/lib/systemd -xdev -type f -exec sha256sum {} + | sort -k 2
find /etc /run/baremetal-dsr -xdev -type l 2>/dev/null | sort
ls /run
systemctl list-units --all --plain --no-legend --type=service,timer,socket | awk '{print $1, $3}' | grep -v '^user\|systemd-\|ssh@' | sort
for task in $(ctr task ls -q 2>/dev/null | sort); do
    pid=$(ctr task ls | awk -v name="$task" '$1 == name {print $2}')
    nsenter --net="/proc/$pid/ns/net" sh -c "$(cat <<INNER
ip address | sed -e 's/^[0-9]*: //' -e 's/valid_lft.*//' -e 's/ permaddr .*//'; ip -4 route show table all; ip -6 route show table all
sysctl -a 2>/dev/null | grep -E '^net\.ipv[46]\.conf\.(all|default|dsr.|eth0|lo)\.' | grep -v stable_secret
INNER
)" | sed "s/^/$task: /"
done
