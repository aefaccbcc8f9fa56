# Compiles the code and its tests, and runs them.
set -e
jars=$(echo /usr/share/java/junit-jupiter-*.jar /usr/share/java/junit-platform-*.jar /usr/share/java/opentest4j.jar /usr/share/java/apiguardian-api.jar /usr/share/java/picocli.jar | tr ' ' :)
rm -rf build
mkdir -p build/classes
javac -d build/classes -cp "$jars" $(find src -name '*.java')
java -cp "build/classes:$jars" org.junit.platform.console.ConsoleLauncher --disable-banner --details=none --scan-class-path build/classes --reports-dir build/test-results
