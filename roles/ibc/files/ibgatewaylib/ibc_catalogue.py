"""Every setting of IBC's config.ini: its kind, its meaning, and what this project makes of it.

Facts: config.ini and source of IBC 3.24.1, and of its fork ibc2 (IBC 3.25.0). What came with 3.25.0 is the
fork's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .ibc_values import (
    AbsolutePath,
    Bool,
    Choice,
    DayTime,
    Int,
    IpList,
    Kind,
    OrderIdAnswers,
    SaveTimes,
    Text,
    Time12,
    Time24,
    as_12_hours,
    clock,
)

SECTIONS = {
    1: "Startup",
    2: "Authentication",
    3: "Gateway's settings at startup",
    4: "Daily and weekly restart",
    5: "Closing down",
    6: "Dialogs",
    7: "Indian accounts",
    8: "Command server",
    9: "Diagnosis",
}
FORK = "3.25.0"
# Seconds. A push lives for 180 s, and closing the device list starts IBC's exit timer: outlast the push.
SHORTEST_EXIT_WITH_DEVICE = 240


@dataclass(frozen=True)
class Setting:
    """One key of config.ini.

    Attributes:
        name: IBC's name for it.
        section: the section of IBC's config.ini it stands in.
        kind: what values it takes.
        since: the first IBC version that knows it.
        ibc_default: what IBC does when it is absent or empty.
        meaning: one line.
        ours: what we write unless the operator says otherwise; a function computes it from the instance.
        why: why we write it.
        not_yours: for a key the operator may not set: what to use instead, as the end of a sentence.
    """

    name: str
    section: int
    kind: Kind
    since: str
    ibc_default: str
    meaning: str
    ours: str | Callable[[Mapping[str, Any]], str] | None = None
    why: str = ""
    not_yours: str = ""


def _from(key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda instance: str(instance[key])


def _daily_restart(instance: Mapping[str, Any]) -> str:
    if instance["mode"] == "paper":
        # A paper account's token restart often ends at a login window that hangs: a timer does it.
        return ""
    minutes = clock(instance["daily_restart"])
    return "" if minutes is None else as_12_hours(minutes)


def _precaution(name: str, box: str) -> Setting:
    return Setting(name, 3, Bool(), "3.18.0", "leave as it is", f"API precaution: {box}")


NO_FIX = "leave it out, for this role runs the API Gateway and not the FIX gateway"
SECONDS = Int(1, 86400, "seconds")

# Columns: name, section, kind, since, IBC's default, meaning; then ours, why, not_yours where there are any.
# fmt: off
CATALOGUE: tuple[Setting, ...] = (
    Setting("FIX", 1, Bool(), "2.12.0", "no", "run the FIX CTCI gateway", not_yours=NO_FIX),

    Setting("IbLoginId", 2, Text(), "2.12.0", "ask", "user name", not_yours="set the instance's username"),
    Setting("IbPassword", 2, Text(), "2.12.0", "ask", "password", not_yours="set the instance's password"),
    Setting("FIXLoginId", 2, Text(), "2.12.0", "ask", "FIX user name", not_yours=NO_FIX),
    Setting("FIXPassword", 2, Text(), "2.12.0", "ask", "FIX password", not_yours=NO_FIX),
    Setting("SecondFactorDevice", 2, Text("text, exactly as in Gateway's list"), "3.12.0", "wait for you",
            "entry to pick when Gateway lists several second-factor devices, such as IB Key"),
    Setting("ReloginAfterSecondFactorAuthenticationTimeout", 2, Bool(), "3.14.0", "no",
            "log in again after a missed push, inside IBC and without limit",
            ours="no", why="an unanswered push is not repeated every three minutes, all night"),
    Setting("SecondFactorAuthenticationExitInterval", 2, SECONDS, "3.8.3", "60",
            "time for the login to complete after the second-factor dialog closed; then IBC ends",
            ours=str(SHORTEST_EXIT_WITH_DEVICE),
            why="60 s are short on a small VPS, and picking a device starts the timer before the push ends"),
    Setting("SecondFactorAuthenticationTimeout", 2, Int(1, 3600, "seconds"), "3.14.0", "180",
            "how long IBKR lets a push live; IBC tells a missed push from an answered one by it"),
    Setting("ExitAfterSecondFactorAuthenticationTimeout", 2, Bool(), "3.8.3", "no", "old name, deprecated",
            not_yours="use ReloginAfterSecondFactorAuthenticationTimeout, which replaced it"),
    Setting("TradingMode", 2, Choice(("live", "paper")), "3.2.0", "live", "which account the login is for",
            ours=_from("mode"), why="the instance's `mode`", not_yours="set the instance's mode"),
    Setting("AcceptNonBrokerageAccountWarning", 2, Bool(), "3.2.0", "yes",
            "confirm the notice that a paper account is not a brokerage account",
            ours="yes", why="the API of a paper account is blocked until it is confirmed"),
    Setting("LoginDialogDisplayTimeout", 2, SECONDS, "3.13.0", "60",
            "how long Gateway may take to show its login window; then IBC ends"),

    Setting("IbDir", 3, Text(), "2.12.0", "working folder", "settings folder, deprecated",
            not_yours="leave it out, for every instance has its folder and another one breaks its restart"),
    Setting("StoreSettingsOnServer", 3, Bool(), "2.12.0", "as at the last login",
            "keep settings on IBKR's servers (TWS only)"),
    Setting("MinimizeMainWindow", 3, Bool(), "2.12.0", "no", "minimise the main window"),
    Setting("ExistingSessionDetectedAction", 3, Choice(("primary", "primaryoverride", "secondary", "manual")),
            "2.12.0", "manual",
            "when the user name is logged in elsewhere: primary takes the session, once, and keeps it; "
            "primaryoverride yields only to a new primary; secondary always yields; manual waits for you",
            ours="primary", why="manual waits for a click at a screen that nobody watches"),
    Setting("OverrideTwsApiPort", 3, Int(1024, 65535), "3.6.0", "leave as it is", "API port",
            ours=_from("api_port"), why="the instance's `api_port`", not_yours="set the instance's api_port"),
    Setting("OverrideTwsMasterClientID", 3, Int(0, 2147483647), "3.17.0", "leave as it is",
            "client id that sees the orders of all clients"),
    Setting("ReadOnlyLogin", 3, Bool(), "2.14.0", "no",
            "log in without second factor and without orders (TWS only)"),
    Setting("ReadOnlyApi", 3, Bool(), "3.8.1", "leave as it is", "refuse orders from API clients",
            ours="yes", why="a new gateway does not trade until you say so"),
    _precaution("BypassOrderPrecautions", "skip the order precautions for API orders"),
    _precaution("BypassBondWarning", "skip the bond warning"),
    _precaution("BypassNegativeYieldToWorstConfirmation", "skip the negative yield-to-worst confirmation"),
    _precaution("BypassCalledBondWarning", "skip the called-bond warning"),
    _precaution("BypassSameActionPairTradeWarning", "skip the same-action pair trade warning"),
    _precaution("BypassPriceBasedVolatilityRiskWarning", "skip the price-based volatility risk warning"),
    _precaution("BypassUSStocksMarketDataInSharesWarning", "skip the warning that US sizes are in shares"),
    _precaution("BypassRedirectOrderWarning", "skip the redirected-order warning"),
    _precaution("BypassNoOverfillProtectionPrecaution", "skip the missing overfill protection warning"),
    Setting("AcceptBidAskLastSizeDisplayUpdateNotification", 3, Choice(("accept", "defer", "ignore")),
            "3.10.0", "ignore",
            "answer to the notice about US share sizes: for good, until the next login, or none"),
    Setting("SendMarketDataInLotsForUSstocks", 3, Bool(), "3.10.0", "leave as it is",
            "send US sizes in lots to dual-mode API clients"),
    Setting("TrustedTwsApiClientIPs", 3, IpList(), "3.17.0", "127.0.0.1 only",
            "further addresses that may connect to the API; the port firewall stays in force"),
    Setting("ResetOrderIdsAtStart", 3, Bool(), "3.17.0", "no", "restart the API's order ids at 1"),
    Setting("ConfirmOrderIdReset", 3, OrderIdAnswers(), "3.17.0", "ignore/ignore",
            "answers to TWS's question about it: for our reset / for one by hand (Gateway never asks)"),

    Setting("AutoLogoffTime", 4, Time12(), "3.14.0", "leave as it is",
            'close Gateway daily, without a restart; needs daily_restart: ""'),
    Setting("AutoRestartTime", 4, Time12(), "3.15.0", "leave as it is", "restart Gateway daily, by its token",
            ours=_daily_restart, why="`ibc_daily_restart`, in `ibc_timezone`; live only",
            not_yours="set ibc_daily_restart, or daily_restart of the instance"),
    Setting("ColdRestartTime", 4, Time24(), "3.19.0", "never",
            "on Sundays, close Gateway and log in afresh; a live login needs your tap then"),

    Setting("ClosedownAt", 5, DayTime(), "2.12.0", "never", "close Gateway daily or weekly, for good"),

    Setting("AcceptIncomingConnectionAction", 6, Choice(("accept", "reject", "manual")), "2.12.0", "manual",
            "answer to Gateway's question whether an API client from another machine may connect",
            ours="reject", why="nobody watches the screen, and trusted addresses are not asked about"),
    Setting("AllowBlindTrading", 6, Bool(), "2.12.0", "no", "confirm orders without market data"),
    Setting("SaveTwsSettingsAt", 6, SaveTimes(), "2.13.0", "never", "when to save the settings (TWS only)"),
    Setting("ConfirmCryptoCurrencyOrders", 6, Choice(("transmit", "cancel", "manual")), "3.13.0", "manual",
            "answer to the confirmation of orders with Paxos"),

    Setting("DismissPasswordExpiryWarning", 7, Bool(), "2.12.0", "no",
            "close the notice that the password expires, unseen"),
    Setting("DismissNSEComplianceNotice", 7, Bool(), "2.12.0", "yes", "close the NSE compliance notice"),

    Setting("CommandServerPort", 8, Int(1024, 65535), "3.6.0", "off", "port for commands such as STOP",
            ours=_from("command_port"), why="the instance's `command_port`; a clean stop needs it",
            not_yours="set the instance's command_port"),
    Setting("ControlFrom", 8, Text(), "3.6.0", "this machine", "further machines that may send commands",
            not_yours="leave it out, for commands have no password and come from this machine only"),
    Setting("BindAddress", 8, Text(), "3.6.0", "every address", "address the command server listens on",
            ours="127.0.0.1", why="commands have no password",
            not_yours="leave it out, for commands have no password and stay on 127.0.0.1"),
    Setting("CommandPrompt", 8, Text(), "2.12.0", "none", "text the command server sends after each command"),
    Setting("SuppressInfoMessages", 8, Bool(), "2.12.0", "yes", "leave INFO lines out of its answers"),

    Setting("LogStructureScope", 9, Choice(("known", "unknown", "untitled", "all")), "3.8.6", "known",
            "windows whose parts are logged: known to IBC, or not, or without title, or all; "
            "known and all put the user name into the log",
            ours="unknown", why="a window IBC does not know is what stops a session, and its text says why"),
    Setting("LogStructureWhen", 9, Choice(("never", "open", "openclose", "activate")), "3.8.6", "never",
            "when they are logged", ours="open", why="once for each window is enough"),
    Setting("LogComponents", 9, Text(), "3.0.0", "absent", "old name, deprecated; overrides the two above",
            not_yours="use LogStructureScope and LogStructureWhen, which replaced it"),
    Setting("IncludeStackTraceForExceptions", 9, Bool(), "3.23.0", "no", "log Java's stack traces"),
    Setting("EventLogFile", 9, AbsolutePath(), FORK, "none",
            "file of JSON lines about logins, inside the instance's folder in /var/lib/ibgateway"),
    Setting("DialogRulesFile", 9, AbsolutePath(), FORK, "none",
            "file of rules for windows IBC does not know: title, text, and the button to press"),
    Setting("AllowLocalhostOnly", 9, Bool(), FORK, "leave as it is",
            "Gateway takes API clients of this machine only",
            ours="yes", why="a second fence behind the port firewall"),
)
# fmt: on
BY_NAME = {setting.name: setting for setting in CATALOGUE}

# Names that IBC itself gave up, and what serves now.
FORMER = {
    "ForceTwsApiPort": "set the instance's api_port",
    "IbControllerPort": "set the instance's command_port",
    "IbBindAddress": "leave it out, the command server listens on 127.0.0.1",
    "IbControlFrom": "leave it out, commands are taken from this machine only",
    "IbAutoClosedown": "use ClosedownAt",
    "LogToConsole": "leave it out, everything goes to the journal",
    "PasswordEncrypted": "leave it out, systemd-creds encrypts the password",
    "FIXPasswordEncrypted": NO_FIX,
    "AutoConfirmOrders": "leave it out, IBC no longer has it",
    "ShowAllTrades": "leave it out, IBC no longer has it",
}
