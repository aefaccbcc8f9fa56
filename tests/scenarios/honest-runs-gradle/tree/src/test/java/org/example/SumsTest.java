package org.example;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class SumsTest {
    @Test
    public void adds() {
        assertEquals(3, Sums.add(1, 2));
    }
}
