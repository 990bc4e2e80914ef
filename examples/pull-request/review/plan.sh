#!/bin/sh
# Plans the working tree on the cluster, keeps one comment on the pull request up
# to date, and sets the commit's status. It needs swarmgit, curl and jq.
#
#   SWARMGIT_HOST   where the cluster is asked: http://127.0.0.1:2378, https://...
#   SWARMGIT_TOKEN  of "swarmgit token create --role viewer"
#   FORGE_API       https://api.github.com, https://gitea.example/api/v1
#   FORGE_TOKEN     may write comments and statuses
#   FORGE_AUTHOR    whom FORGE_TOKEN writes as: nobody else's comment is touched
#   REPOSITORY      owner/name
#   PULL_REQUEST    its number
#   COMMIT          its head, which gets the status
#
# Exit status: 0 when the plan may be applied, else 1: mistakes in the files,
# refused, something that cannot be placed, or no plan at all.
set -eu
umask 077

fail() {
	echo "plan.sh: $*" >&2
	exit 1
}

for name in SWARMGIT_HOST SWARMGIT_TOKEN FORGE_API FORGE_TOKEN FORGE_AUTHOR REPOSITORY PULL_REQUEST COMMIT; do
	eval "[ -n \"\${$name:-}\" ]" || fail "$name is not set: see the head of this script"
done
for program in swarmgit curl jq; do
	command -v "$program" >/dev/null || fail "$program is not installed on this runner"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# In a file, because the arguments of a process are seen by others.
printf 'Authorization: token %s\n' "$FORGE_TOKEN" >"$work/authorization"

# api METHOD URL [FILE] asks the forge; the answer is in $work/answer.
api() {
	status=$(curl --silent --show-error --max-time 60 --request "$1" \
		--header "@$work/authorization" --header 'Accept: application/json' --header 'Content-Type: application/json' \
		${3:+--data-binary "@$3"} --dump-header "$work/headers" --output "$work/answer" --write-out '%{http_code}' "$2") ||
		fail "the forge cannot be reached: $1 $2"
	case $status in
	2??) ;;
	*) fail "the forge refused $1 $2: HTTP $status: $(jq -r '.message? // empty' "$work/answer" 2>/dev/null || true)" ;;
	esac
}

# comment_id prints which comment holds the plan, or nothing: the author's that
# begins with the same hidden line.
comment_id() {
	next="$FORGE_API/repos/$REPOSITORY/issues/$PULL_REQUEST/comments?per_page=100"
	while [ -n "$next" ]; do
		api GET "$next"
		jq -r --arg marker "$marker" --arg author "$FORGE_AUTHOR" \
			'map(select(.user.login == $author and ((.body // "") | startswith($marker)))) | .[].id' "$work/answer" >"$work/ids" ||
			fail "the forge's list of comments cannot be read"
		if [ -s "$work/ids" ]; then
			head -n 1 "$work/ids"
			return
		fi
		next=$(tr -d '\r' <"$work/headers" | sed -n 's/^[Ll]ink:.*<\([^>]*\)>; *rel="next".*/\1/p')
		case $next in
		"" | "$FORGE_API"/*) ;;
		*) fail "the forge's next page is elsewhere: $next" ;; # it would get the token
		esac
	done
}

# set_status STATE WORDS shows the verdict beside the commit.
set_status() {
	jq -n --arg state "$1" --arg words "$2" '{state: $state, context: "swarmgit/plan", description: $words[:140]}' >"$work/status"
	api POST "$FORGE_API/repos/$REPOSITORY/statuses/$COMMIT" "$work/status"
}

plan=0
swarmgit plan -o markdown --detailed-exitcode >"$work/plan.md" || plan=$?
marker=$(head -n 1 "$work/plan.md")
case $marker in
"<!-- swarmgit-plan: "*) ;;
*)
	set_status error "no plan could be made: see the log"
	fail "no plan could be made (exit status $plan)"
	;;
esac
printf '\n%s\n' "<sub>Planned for $COMMIT.</sub>" >>"$work/plan.md"
cat "$work/plan.md"

jq -Rs '{body: .}' <"$work/plan.md" >"$work/comment"
id=$(comment_id)
if [ -n "$id" ]; then
	api PATCH "$FORGE_API/repos/$REPOSITORY/issues/comments/$id" "$work/comment"
else
	api POST "$FORGE_API/repos/$REPOSITORY/issues/$PULL_REQUEST/comments" "$work/comment"
fi

words="$(sed -n '2s/^### swarmgit plan: //p' "$work/plan.md"): $(sed -n '5s/\*\*//gp' "$work/plan.md")"
case $plan in
0 | 2)
	set_status success "$words"
	;;
*)
	set_status failure "$words"
	fail "$words"
	;;
esac
