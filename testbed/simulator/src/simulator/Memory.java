package simulator;

import java.util.ArrayList;
import java.util.List;

/** Fills Java's heap until it is full, and keeps it so: a leak in the program, as its owner meets it. */
final class Memory {
    private static final int BLOCK = 1 << 18;
    /** Blocks given back, so that the process lives on: what needs much fails, what needs little works. */
    private static final int SPARED = 64;

    private static final List<byte[]> HELD = new ArrayList<>();

    private Memory() {}

    /** Returns when the heap has been full. */
    static synchronized void exhaust() {
        try {
            while (true) {
                HELD.add(new byte[BLOCK]);
            }
        } catch (OutOfMemoryError full) {
            HELD.subList(Math.max(0, HELD.size() - SPARED), HELD.size()).clear();
            // As Java itself reports an error in a thread that nobody looks after.
            full.printStackTrace();
        }
    }
}
