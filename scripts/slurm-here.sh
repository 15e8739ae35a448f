#!/usr/bin/env bash
# Starts a Slurm of one machine on loopback for tests, and stops it without leftovers. Needs root
# and Debian's packages: apt-get install slurmctld slurmd slurm-client munge
#
#   scripts/slurm-here.sh start FOLDER    starts munged, slurmctld and slurmd; their files are in FOLDER
#   scripts/slurm-here.sh kill FOLDER     kills the controller; jobs continue on the node
#   scripts/slurm-here.sh revive FOLDER   starts the controller again
#   scripts/slurm-here.sh stop FOLDER     cancels all jobs, ends all daemons, and removes FOLDER
#   scripts/slurm-here.sh check           exit code 0 if Slurm is installed and can be started here
#
# Clients find it with `export SLURM_CONF=FOLDER/slurm.conf`. Partitions are `main` (default),
# `short` (one minute), and `low`, whose jobs `main` requeues. There are four processors, whatever
# the machine has. Nothing uses control groups, accounting or files outside FOLDER.
set -euo pipefail

fail() { echo "slurm-here: $1" >&2; exit "${2:-1}"; }

needed() {
    for program in munged slurmctld slurmd sbatch squeue scontrol; do
        command -v "$program" >/dev/null ||
            fail "no $program; hint: apt-get install slurmctld slurmd slurm-client munge" 77
    done
    [ "$(id -u)" = 0 ] || fail "start it as root" 77
}

action=${1:-}
[ "$action" = check ] && { needed; exit 0; }
[ $# = 2 ] || fail "usage: slurm-here.sh start|kill|revive|stop FOLDER | check" 2
mkdir -p "$2"
folder=$(cd "$2" && pwd)
export SLURM_CONF=$folder/slurm.conf PATH="$PATH:/usr/sbin"
# Different folders use different ports.
offset=$(($(printf %s "$folder" | cksum | cut -d' ' -f1) % 2000 * 2))

configure() {
    mkdir -p "$folder"/{state,spool,munge}
    # munged refuses folders that others may write to; its socket's folder must be open to all.
    chmod 755 "$folder" "$folder/munge"
    dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
    chmod 600 "$folder/munge/key"
    memory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
    cat >"$SLURM_CONF" <<CONF
ClusterName=here
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CryptoType=crypto/munge
SlurmctldPort=$((20000 + offset))
SlurmdPort=$((20001 + offset))
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SchedulerType=sched/backfill
# Jobs are considered at once: tests wait for them.
SchedulerParameters=sched_min_interval=50000,sched_interval=1,bf_interval=1,batch_sched_delay=0,defer_batch,preempt_youngest_first
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MinJobAge=${SLURM_HERE_MIN_JOB_AGE:-300}
MaxArraySize=${SLURM_HERE_MAX_ARRAY:-1001}
KillWait=2
SlurmdTimeout=20
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE PriorityTier=10 State=UP
PartitionName=short Nodes=localhost MaxTime=1 PriorityTier=10 State=UP
PartitionName=low Nodes=localhost MaxTime=INFINITE PriorityTier=1 State=UP
CONF
}

controller() {
    slurmctld "$@"
    for _ in $(seq 100); do
        scontrol ping 2>/dev/null | grep -q 'is UP' && return
        sleep 0.1
    done
    tail -5 "$folder/slurmctld.log" >&2
    fail "the controller does not answer"
}

# Ends the process of a pid file and waits for it.
finish() {
    local pid
    [ -f "$1" ] && pid=$(cat "$1") && [ -n "$pid" ] || return 0
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    rm -f "$1"
}

case $action in
start)
    needed
    configure
    munged --force --socket="$folder/munge/socket" --key-file="$folder/munge/key" \
        --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" \
        --seed-file="$folder/munge/seed" --num-threads=2
    controller -c
    slurmd -N localhost
    for _ in $(seq 100); do
        sinfo -h -o %T 2>/dev/null | grep -q idle && { echo "export SLURM_CONF=$SLURM_CONF"; exit 0; }
        sleep 0.1
    done
    tail -5 "$folder/slurmd.log" >&2
    fail "the node does not answer"
    ;;
kill) finish "$folder/slurmctld.pid" KILL ;;
revive)
    controller
    # Jobs that the controller had not saved drain the node, and are held. As an administrator
    # would, put both back.
    for _ in $(seq 12); do
        sleep 0.5
        scontrol update NodeName=localhost State=RESUME 2>/dev/null || true
        squeue -h -r -t PD -o '%i %r' | awk '/held/ {print $1}' | xargs -r -n 1 scontrol release
    done
    ;;
stop)
    if [ -f "$folder/slurmctld.pid" ]; then
        scancel --user=root 2>/dev/null || true
        for _ in $(seq 50); do
            [ -z "$(squeue -h 2>/dev/null)" ] && break
            sleep 0.1
        done
    fi
    finish "$folder/slurmd.pid"
    finish "$folder/slurmctld.pid"
    finish "$folder/munge/pid"
    rm -rf "$folder"
    ;;
*) fail "unknown action '$action'" 2 ;;
esac
