# Waves.
wave() {
    echo "o/"
}
