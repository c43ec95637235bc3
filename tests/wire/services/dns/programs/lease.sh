#!/bin/sh
# What udhcpc runs: the address onto the card, name servers and search domains into RESOLV_CONF, as resolv.conf(5) says.
[ "$1" = bound ] || exit 0
ip address replace "$ip/$mask" dev "$interface"
{
  for server in $dns; do echo "nameserver $server"; done
  echo "search $domain $search"
} > "$RESOLV_CONF"
