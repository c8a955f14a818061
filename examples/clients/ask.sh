#!/bin/sh
# Ask a question with curl.
curl -s http://127.0.0.1:8080/v1/chat/completions \
  -H 'content-type: application/json' \
  -d '{"model": "auto", "messages": [{"role": "user", "content": "How long do customers in the UK have to return an order?"}]}'
