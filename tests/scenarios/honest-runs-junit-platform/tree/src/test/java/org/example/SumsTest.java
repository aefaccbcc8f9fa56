package org.example;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class SumsTest {
    @Test
    void adds() {
        assertEquals(3, Sums.add(1, 2));
    }
}
