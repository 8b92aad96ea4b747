extension NoticeMeaning {
    /// What a person can do; empty: nothing has to be done.
    package var advice: String {
        switch self {
        case .clientIDInUse: "set another IBKR_CLIENT_ID, or end the other program"
        case .connectionLost, .platformDisconnected:
            "look whether TWS itself is logged in, and wait during its nightly reset"
        case .portChanged: "set IBKR_PORT to the new port"
        case .farm(_, .broken): "wait: TWS connects to it again by itself"
        case .pacingViolation: "nothing: it is asked again more slowly"
        case .noSuchContract: "check symbol, security, exchange and currency of the instrument"
        case .invalidRequest, .duplicateRequest: "check the feeds of the instrument"
        case .notSubscribed, .subscriptionMissing, .partlyNotSubscribed, .historyNotPermitted:
            "subscribe to its market data in the Client Portal, or set IBKR_DELAYED=auto"
        case .delayedDataFollow: "IBKR_DELAYED=auto records them as delayed"
        case .tooManyLines: "remove instruments or kinds of data, or buy more market data lines"
        case .competingSession: "log the other session of this user out, or give this one its own"
        case .depthUnsupported: "name an exchange that sends its book, or leave the depth out"
        case .historyRefused, .tickByTickRefused, .realTimeBarsRefused:
            "wait: it is asked again by itself"
        case .noFundamentals: "leave them out: this company has none"
        case .connectionRestored, .farm, .nothingToCancel, .depthReset, .depthHalted,
            .historyCancelled, .historyEmpty, .realTimeBarsEnded, .unknown:
            ""
        }
    }
}
