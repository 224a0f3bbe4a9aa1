export LANG="${LANG:-C.UTF-8}" EDITOR="${EDITOR:-nano}"
