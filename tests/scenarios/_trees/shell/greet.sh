# Prints a greeting.
greet() {
    echo "Hello"
}
