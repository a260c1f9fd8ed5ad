# shellcheck shell=sh
# What is wrong with what somebody asked for, found without asking Azure. POSIX sh, because azd runs preflight.sh
# with it; hence no local variables, but names that begin with _.

program=${program:-${0##*/}}
problems=0

# problem TEXT: something to correct; all of them are told before anything ends.
problem() {
  printf '%s: %s\n' "$program" "$1" >&2
  problems=$((problems + 1))
}

stop_on_problems() {
  [ "$problems" -eq 0 ] || exit 2
}

# matches TEXT EXTENDED_REGULAR_EXPRESSION: whether the whole text does.
matches() {
  printf '%s\n' "$1" | LC_ALL=C grep -Eqx -- "$2" && [ "$(printf '%s\n' "$1" | wc -l)" -eq 1 ]
}

# check_name NAME OPTION
check_name() {
  if [ -z "$1" ]; then
    problem "$2 is not set; give the environment a name, such as orders."
  elif [ "${#1}" -gt 60 ]; then
    problem "$2 has ${#1} characters; write 60 at most."
  elif ! matches "$1" '[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?'; then
    problem "$2 is '$1'; write letters, digits and, between them, dashes."
  fi
}

# region_of TEXT: as Azure writes it in commands; "West Europe" is westeurope.
region_of() {
  printf '%s\n' "$1" | tr -d ' ' | tr '[:upper:]' '[:lower:]'
}

# check_region REGION OPTION
check_region() {
  if [ -z "$1" ]; then
    problem "$2 is not set; name a region, such as westeurope."
  elif ! matches "$(region_of "$1")" '[a-z]+[0-9]?'; then
    problem "$2 is '$1'; write a region as Azure does, such as westeurope."
  fi
}

# samples_in REPOSITORY: their names, one a line.
samples_in() {
  for _client in "$1"/samples/*/client.py; do
    _client=${_client%/client.py}
    printf '%s\n' "${_client##*/}"
  done
}

# reason_to_stay_at_home REPOSITORY SAMPLE: why no worker in Azure can serve the sample; nothing if one can.
reason_to_stay_at_home() {
  sed -n "/\"atHome\"/,/}/s/^ *\"$2\": \"\\(.*\\)\",*\$/\\1/p" "$1/infra/samples.json"
}

# check_sample REPOSITORY SAMPLE OPTION
check_sample() {
  if ! matches "$2" '[A-Za-z0-9_]+' || [ ! -f "$1/samples/$2/client.py" ]; then
    problem "$3 is '$2', which is no sample; there are: $(samples_in "$1" | tr '\n' ' ' | sed 's/ $//; s/ /, /g')."
  elif [ -n "$(reason_to_stay_at_home "$1" "$2")" ]; then
    problem "$2 cannot run in Azure, because $(reason_to_stay_at_home "$1" "$2"). Deploy with --scheduler-only and run its worker and client here."
  fi
}

# check_hub NAME OPTION
check_hub() {
  matches "$1" '[A-Za-z0-9-]{3,64}' || problem "$2 is '$1'; write 3 to 64 letters, digits and dashes."
}

# is_number_between TEXT LEAST MOST
is_number_between() {
  matches "$1" '0|[1-9][0-9]{0,5}' && [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

# check_sku SKU CAPACITY DAYS OPTION_SKU OPTION_CAPACITY OPTION_DAYS: what the scheduler is asked to be.
check_sku() {
  case $1 in
    Consumption) _most=30 ;;
    Dedicated) _most=90 ;;
    *)
      problem "$4 is '$1'; write Consumption or Dedicated."
      return
      ;;
  esac
  if [ -n "$2" ] && [ "$1" = Consumption ] && [ "$2" != 1 ]; then
    problem "$5 is '$2', and Consumption has no capacity; leave it out, or add $4 Dedicated."
  elif [ -n "$2" ] && ! is_number_between "$2" 1 3; then
    problem "$5 is '$2'; write 1, 2 or 3."
  fi
  is_number_between "$3" 1 "$_most" || problem "$6 is '$3'; $1 keeps ended orchestrations for 1 to $_most days."
}

# check_addresses TEXT OPTION: addresses and ranges, separated by commas.
check_addresses() {
  _rest=$1
  while [ -n "$_rest" ]; do
    _address=$(printf '%s' "${_rest%%,*}" | tr -d ' ')
    case $_rest in *,*) _rest=${_rest#*,} ;; *) _rest= ;; esac
    check_address "$_address" "$2"
  done
}

# check_address ADDRESS OPTION: 203.0.113.7, 203.0.113.0/24, 2001:db8::/32
check_address() {
  _host=${1%%/*}
  _size=
  case $1 in */*) _size=${1#*/} ;; esac
  _byte='(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
  case $_host in
    *:*) _form='[0-9A-Fa-f:]{2,39}' _largest=128 ;;
    *) _form="$_byte(\\.$_byte){3}" _largest=32 ;;
  esac
  if ! matches "$_host" "$_form"; then
    problem "$2 has '$1'; write an address such as 203.0.113.7, or a range such as 203.0.113.0/24."
  elif [ "$1" != "$_host" ] && ! is_number_between "$_size" 0 "$_largest"; then
    problem "$2 has '$1'; what follows the slash is a number from 0 to $_largest."
  elif matches "$_host" '(10|127|192\.168|169\.254|172\.(1[6-9]|2[0-9]|3[01]))\..*'; then
    problem "$2 has '$1', an address of your own network; write the public one, by which Azure sees you."
  fi
}

# check_flag VALUE OPTION
check_flag() {
  case $1 in
    true | false) ;;
    *) problem "$2 is '$1'; write true or false." ;;
  esac
}

# check_role ROLE OPTION: that of the worker
check_role() {
  case $1 in
    'Durable Task Data Contributor' | 'Durable Task Worker') ;;
    *) problem "$2 is '$1'; write 'Durable Task Data Contributor' or 'Durable Task Worker'." ;;
  esac
}

# check_replicas LEAST MOST OPTION_LEAST OPTION_MOST: -1 means what infra/samples.json says.
check_replicas() {
  [ "$1" = -1 ] || is_number_between "$1" 0 1000 || problem "$3 is '$1'; write a number from 0 to 1000."
  [ "$2" = -1 ] || is_number_between "$2" 1 1000 || problem "$4 is '$2'; write a number from 1 to 1000."
  if is_number_between "$1" 0 1000 && is_number_between "$2" 1 1000 && [ "$1" -gt "$2" ]; then
    problem "$3 is $1, more than $4, which is $2."
  fi
}

# check_endpoint TEXT OPTION: the address of a scheduler in Azure, and nothing more.
check_endpoint() {
  if matches "$1" '.*([Ee]ndpoint=|;).*'; then
    problem "$2 is a whole connection string; write its Endpoint part only, such as https://<name>.<region>.durabletask.io. The string goes into DURABLE_TASK_SCHEDULER_CONNECTION_STRING."
  elif matches "$1" 'https?://dashboard\..*'; then
    problem "$2 is the address of Azure's dashboard; write the scheduler's, which the portal shows as its Endpoint."
  elif matches "$1" 'https?://[^/]+/.+'; then
    problem "$2 is '$1', with a path; write $(printf '%s\n' "$1" | sed -E 's#^(https?://[^/]+)/.*#\1#')."
  elif ! matches "$1" 'https?://[^/]+/?'; then
    problem "$2 is '$1'; write https://, the host and nothing more."
  fi
}

# is_offered REGION REGIONS: whether the region is among those, one a line, that Azure shows by name.
is_offered() {
  region_of "$2" | grep -qx -- "$(region_of "$1")"
}

# check_is_offered REGION REGIONS OPTION
check_is_offered() {
  is_offered "$1" "$2" ||
    problem "$3 is '$1', which has no Durable Task Scheduler; these have: $(region_of "$2" | sort | tr '\n' ' ' | sed 's/ $//; s/ /, /g')."
}
