# Compares results (file, test, pass|fail|skip) with the list of what is expected (file, test, fail|skip, reason).
# Usage: awk -v partial=0|1 -f compare.awk expected.tsv results.tsv
# Exit status 1: an unlisted failure or skip, a listed failure that passes, or (not partial) a listed test that is gone.
BEGIN { FS = "\t" }

FILENAME == ARGV[1] {
  if ($0 ~ /^#/ || $0 == "") next
  if (NF != 4 || ($3 != "fail" && $3 != "skip") || $4 == "") complain("line of the list that is not file, test, fail|skip, reason: " $0)
  wanted[$1 FS $2] = $3
  next
}

{
  key = $1 FS $2
  count[$3]++
  seen[key] = 1
  want = key in wanted ? wanted[key] : "pass"
  if ($3 == want) { if (want == "fail") known++ }
  else if ($3 == "fail") complain("failed: " $1 ": " $2)
  else if ($3 == "skip" && want == "pass") complain("skipped, but not listed: " $1 ": " $2)
  else if (want == "fail") complain("listed as failing, but " ($3 == "pass" ? "passed" : "skipped") ": " $1 ": " $2)
}

END {
  if (!partial) for (key in wanted) if (!(key in seen)) { gone = key; sub(FS, ": ", gone); complain("listed, but not in the suite: " gone) }
  printf "conformance: %d passed, %d failed (%d of them listed), %d skipped; %d unexpected\n", \
    count["pass"], count["fail"], known, count["skip"], unexpected
  exit unexpected > 0
}

function complain(text) { print "conformance: " text; unexpected++ }
