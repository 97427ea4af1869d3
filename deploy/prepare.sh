#!/bin/sh
# Makes what docker-compose.yml needs and no repository should hold: passwords, the broker's accounts, a certificate.
# Nothing that exists is overwritten. Needs openssl; the accounts file is made with the broker's own image.
set -eu
cd "$(dirname "$0")/.."
umask 077

if [ ! -f .env ]; then
  {
    printf 'POSTGRES_PASSWORD=%s\n' "$(openssl rand -hex 24)"
    printf 'MQTT_PASSWORD=%s\n' "$(openssl rand -hex 24)"
    printf 'GRAFANA_PASSWORD=%s\n' "$(openssl rand -hex 16)"
    printf 'HEATBOOK_MASTER_KEY=%s\n' "$(openssl rand -hex 32)"
  } > .env
  echo "made .env"
fi
. ./.env

mkdir -p deploy/tls
if [ ! -f deploy/tls/ca.crt ]; then
  openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=Heatbook CA" \
    -keyout deploy/tls/ca.key -out deploy/tls/ca.crt 2>/dev/null
  openssl req -newkey rsa:3072 -nodes -subj "/CN=broker" -keyout deploy/tls/broker.key -out deploy/tls/broker.csr 2>/dev/null
  printf 'subjectAltName=DNS:broker,DNS:localhost' > deploy/tls/names
  openssl x509 -req -in deploy/tls/broker.csr -CA deploy/tls/ca.crt -CAkey deploy/tls/ca.key -CAcreateserial -days 1825 \
    -extfile deploy/tls/names -out deploy/tls/broker.crt 2>/dev/null
  rm -f deploy/tls/broker.csr deploy/tls/names
  # The broker's and the services' users inside the containers must be able to read these two.
  chmod 644 deploy/tls/ca.crt deploy/tls/broker.crt deploy/tls/broker.key
  chmod 755 deploy/tls
  echo "made deploy/tls (put a certificate of your own there for gateways outside)"
fi

if [ ! -f deploy/mosquitto/accounts ]; then
  if command -v mosquitto_passwd >/dev/null; then
    touch deploy/mosquitto/accounts
    mosquitto_passwd -b deploy/mosquitto/accounts heatbook "$MQTT_PASSWORD"
  else
    docker run --rm eclipse-mosquitto:2.0 sh -c \
      "touch accounts && chmod 600 accounts && mosquitto_passwd -b accounts heatbook '$MQTT_PASSWORD' && cat accounts" > deploy/mosquitto/accounts
  fi
  chmod 644 deploy/mosquitto/accounts
  echo "made deploy/mosquitto/accounts (one account a gateway: mosquitto_passwd deploy/mosquitto/accounts GATEWAY)"
fi
echo "ready: docker compose up -d"
