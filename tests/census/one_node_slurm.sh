#!/bin/sh
# A Slurm cluster of one node, this machine, without root's configuration:
#     one_node_slurm.sh start FOLDER [CPUS]     then: export SLURM_CONF=FOLDER/slurm.conf
#     one_node_slurm.sh stop FOLDER
# Needs Debian's slurm-wlm and munge. Keys, sockets, state and logs are in FOLDER.
set -eu
action=$1
folder=$2
cpus=${3:-2}
PATH=$PATH:/usr/sbin:/sbin
export SLURM_CONF="$folder/slurm.conf"

port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
}

stop() {
    # The node first, so that no job is begun again while the controller goes.
    for name in slurmd slurmctld munged; do
        [ -f "$folder/$name.pid" ] || continue
        process=$(cat "$folder/$name.pid")
        kill "$process" 2>/dev/null || continue
        for _ in $(seq 100); do
            kill -0 "$process" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$process" 2>/dev/null || true
    done
}

start() {
    mkdir -p "$folder/state" "$folder/spool"
    chmod 755 "$folder"
    umask 077
    head -c 1024 /dev/urandom > "$folder/munge.key"
    umask 022
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
        --seed-file="$folder/munge.seed"
    user=$(id -un)
    memory=$(awk '/^MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    cat > "$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$(port)
SlurmdPort=$(port)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1,sched_interval=2
ReturnToService=2
KillWait=5
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    slurmctld
    slurmd
    for _ in $(seq 300); do
        if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then
            exit 0
        fi
        sleep 0.1
    done
    echo "the node did not come up; its log:" >&2
    tail -5 "$folder/slurmctld.log" "$folder/slurmd.log" >&2 || true
    stop
    exit 1
}

case $action in
start) start ;;
stop) stop ;;
*)
    echo "usage: $0 start|stop FOLDER [CPUS]" >&2
    exit 2
    ;;
esac
