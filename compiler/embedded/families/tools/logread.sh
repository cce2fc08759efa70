#!/bin/sh
cat "${PASSTHRU_ROOT:-}/tmp/messages" 2> /dev/null
