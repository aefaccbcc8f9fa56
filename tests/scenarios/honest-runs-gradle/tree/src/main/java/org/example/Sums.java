package org.example;

public class Sums {
    public static int add(int a, int b) {
        return a + b;
    }
}
