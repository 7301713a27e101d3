# Sourced by the other scripts: makes a virtual environment and installs into it, once per change of the package data.
# usage: make_environment FOLDER WHAT PACKAGE...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

make_environment() {
    local folder=$1 what=$2
    shift 2
    local stamp
    stamp=$(cat setup.cfg pyproject.toml <(echo "$*") | sha256sum | cut -d' ' -f1)
    if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    say "Installing $what into $folder (once; needs the network, one to two minutes)"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "keras_gans needs Python 3.11 or newer; $PYTHON is $("$PYTHON" --version). Set PYTHON=..." >&2
        exit 1
    }
    "$PYTHON" -m venv --clear "$folder"
    # Python compiles what is imported; pip would compile three times as many files, half a minute of TensorFlow's.
    "$folder/bin/python" -m pip install -qq --disable-pip-version-check --no-compile "$@"
    echo "$stamp" > "$folder/.installed"
}

# The package without TensorFlow: its other requirements and those of an extra.
requirements() {
    "$PYTHON" - "$1" <<'PYTHON'
import configparser
import sys
parser = configparser.ConfigParser(interpolation=None)
parser.read("setup.cfg")
lines = parser["options"]["install_requires"] + parser["options.extras_require"][sys.argv[1]]
print(" ".join(line.replace(" ", "") for line in lines.split("\n") if line and not line.startswith("tensorflow")))
PYTHON
}
