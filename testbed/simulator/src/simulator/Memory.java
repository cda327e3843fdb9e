package simulator;

/** Runs out of memory in a way that ends nothing: one thing needs more than the heap has, and fails. */
final class Memory {
    private Memory() {}

    /**
     * Returns when Java has thrown its error. Only this thread meets it: a heap that is really full would hit any
     * other one, too, and an error that nobody catches makes IBC end the program.
     */
    static void exhaust() {
        long heap = Runtime.getRuntime().maxMemory();
        try {
            long[] tooMuch = new long[(int) Math.min(Integer.MAX_VALUE - 8, heap / Long.BYTES)];
            throw new IllegalStateException("a heap of " + heap + " bytes had room for " + tooMuch.length + " longs");
        } catch (OutOfMemoryError full) {
            // As Java itself reports an error in a thread that nobody looks after.
            full.printStackTrace();
        }
    }
}
