#!/bin/sh
# Names the image in os-release(5): IMAGE_ID and IMAGE_VERSION, which every deployment compares with what it ordered.
set -eu
file=/usr/lib/os-release
sed -i -e '/^IMAGE_ID=/d' -e '/^IMAGE_VERSION=/d' "$file"
printf 'IMAGE_ID=%s\nIMAGE_VERSION=%s\n' "$IMAGE_ID" "$IMAGE_VERSION" >> "$file"
