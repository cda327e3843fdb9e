package simulator;

import java.util.ArrayList;
import java.util.List;

/** Fills Java's heap, and keeps it so: a leak in the program, as its owner meets it. */
final class Memory {
    private static final int BLOCK = 1 << 18;
    /** Bytes left, so that the process lives on: what needs much fails, what needs little works. */
    private static final long SPARED = 16L << 20;

    private static final List<byte[]> HELD = new ArrayList<>();

    private Memory() {}

    /** Returns when this thread, and no other, has met the error. */
    static synchronized void exhaust() {
        while (left() > SPARED) {
            HELD.add(new byte[BLOCK]);
        }
        try {
            HELD.add(new byte[Integer.MAX_VALUE / 2]);
        } catch (OutOfMemoryError full) {
            // As Java itself reports an error in a thread that nobody looks after.
            full.printStackTrace();
        }
    }

    private static long left() {
        Runtime java = Runtime.getRuntime();
        long left = java.maxMemory() - java.totalMemory() + java.freeMemory();
        if (left <= SPARED) {
            // What is garbage is not used.
            System.gc();
            left = java.maxMemory() - java.totalMemory() + java.freeMemory();
        }
        return left;
    }
}
