package simulator.api;

import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/** The one simulated account: its number, a few values, and what the scenario says it holds. */
public final class Account {
    static final String[] CONTRACT = {"756733", "SPY", "STK", "", "0.0", "", "", "ARCA", "USD", "SPY", "SPY"};
    static final String AVERAGE_COST = "500.25";

    private final String number;
    private final UnaryOperator<String> scenario;

    /** The scenario tells, by key, how many shares are held and how many orders are open. */
    public Account(String mode, UnaryOperator<String> scenario) {
        this.scenario = scenario;
        this.number = "live".equals(mode) ? "U1234567" : "DU1234567";
    }

    String position() {
        return scenario.apply("position");
    }

    int orders() {
        return Integer.parseInt(scenario.apply("orders"));
    }

    public String number() {
        return number;
    }

    Map<String, String> values() {
        return new TreeMap<>(Map.of(
                "AvailableFunds", "94997.50",
                "BuyingPower", "379990.00",
                "CashBalance", "94997.50",
                "NetLiquidation", "100000.00",
                "TotalCashValue", "94997.50"));
    }
}
