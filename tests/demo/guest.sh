#!/bin/sh
# shellcheck disable=SC2317 # the functions are called through check
# The guest of `make run`: ordinary work, then what the rules catch. Status 0: all went as it should.
URL=http://10.77.0.1:8080
failed=0

check() { # check WHAT COMMAND...: run it, tell the result
	what=$1
	shift
	if "$@"; then
		echo "ok: $what"
	else
		echo "FAILED: $what"
		failed=$((failed + 1))
	fi
}

files() {
	mkdir -p /tmp/sums
	i=0
	while [ "$i" -lt 20 ]; do
		seq "$i" $((i + 50)) | sort -rn | md5sum > "/tmp/sums/$i" || return 1
		i=$((i + 1))
	done
	[ "$(cat /tmp/sums/* | wc -l)" = 20 ]
}

hello() {
	tries=0
	until timeout 5 wget -q -O /tmp/hello "$URL/hello"; do # the host's server may still be starting
		tries=$((tries + 1))
		[ "$tries" -lt 30 ] || return 1
		sleep 1
	done
	grep -q 'hello from the host' /tmp/hello
}

fetch_suspicious() { timeout 10 wget -q -O /tmp/suspicious "$URL/suspicious" && grep -q EICAR-LIKE /tmp/suspicious; }
secret_stopped() { ! timeout 4 wget -q -O /dev/null --post-data 'the demo-secret-4711' "$URL/upload" 2> /dev/null; }
ask_datagrams() { timeout 10 wget -q -O /tmp/asked "$URL/datagrams" && grep -q sent /tmp/asked; }
harmless_arrives() {
	tries=0
	until grep -q harmless /tmp/datagrams 2> /dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 20 ] || return 1
		sleep 1
	done
}
worm_stopped() { ! grep -q WORM /tmp/datagrams; }

echo "Linux $(uname -r), $(nproc) CPU, interface $(ip -o link show eth0 2> /dev/null | awk '{ print $2 }')"
check 'processes and files' files
check 'ping the host' ping -q -c 3 -W 5 10.77.0.1
udpcat 1434 > /tmp/datagrams &
echo LAB-READY
check 'fetch a page' hello
check 'fetch a suspicious file (alert, allowed)' fetch_suspicious
check 'a secret does not leave (blocked)' secret_stopped
check 'ask the host for two datagrams' ask_datagrams
check 'the harmless datagram arrives' harmless_arrives
check 'the worm-like one does not (blocked)' worm_stopped
check 'the network still works' timeout 10 wget -q -O /dev/null "$URL/bye"
exit $failed
