import DeploymentWatch

/// How a feed is: a provider of one source.
struct FeedCondition: Equatable, Sendable {
    enum Kind: String, Sendable {
        /// It is connected, and ticks come. Only this is shown as alive.
        case delivers
        /// It is connected, and no tick comes.
        case quiet
        case connecting
        /// It is not connected, and tries again by itself.
        case waits
        /// A person has to do something, or the vendor has.
        case failed
        /// It is connected, and its market is closed, whatever comes.
        case closed
        /// No instrument is requested from it.
        case standsBy = "stands-by"
        /// It has delivered all it has.
        case ended
        /// Nobody says.
        case unknown
    }

    let kind: Kind
    let words: String
    /// What a person can do, with the runbook. Empty: nothing.
    var advice = ""
    var runbook: String?

    init(_ kind: Kind, _ words: String, _ advice: (text: String, runbook: String)? = nil) {
        self.kind = kind
        self.words = words
        self.advice = advice?.text ?? ""
        runbook = advice?.runbook
    }
}

extension FeedCondition {
    /// Judges a provider of a source whose gateway takes ticks.
    init(_ provider: ProviderView, _ page: FeedPage) {
        guard let state = provider.state else {
            self.init(withoutConnection: provider, page)
            return
        }
        guard !provider.standsBy else {
            self.init(.standsBy, "stands by: no instrument is requested from it")
            return
        }
        guard !provider.isConnected else {
            self = Self.connected(provider, page)
            return
        }
        let known = Self.known(state)
        let reason = provider.reason.isEmpty ? "" : ": \(provider.reason)"
        let kind: Kind = state == "connecting" ? .connecting : known.failed ? .failed : .waits
        var words = known.words + reason
        let connections = provider.limits.first { $0.name == "connections" }
        if let next = provider.nextAttempt ?? connections?.until {
            words += "; it tries again at \(TimeText.short(next))"
        }
        if provider.failedAttempts > 0 {
            words += "; attempts that failed: \(provider.failedAttempts)"
        }
        self.init(kind, words, Self.advice(provider.name, state))
    }

    private static func connected(_ provider: ProviderView, _ page: FeedPage) -> FeedCondition {
        guard provider.delivers else {
            return FeedCondition(.quiet, "connected: none of its feeds delivers")
        }
        let state = FeedCondition(ofTicks: page, "connected")
        // The ages are those of the source, and another provider may bring its ticks.
        guard state.kind == .delivers, page.providers.count > 1 else { return state }
        return FeedCondition(.quiet, "connected: ticks come, of one of the source's providers")
    }

    /// Judges a source of a provider that shows no state, as a synthetic market.
    init(ofTicks page: FeedPage, _ prefix: String) {
        guard !page.isFinished else {
            self.init(.ended, "it has delivered all it has")
            return
        }
        switch page.newest?.within {
        case 5?: self.init(.delivers, "\(prefix): ticks come")
        case let seconds?:
            self.init(
                .quiet,
                "\(prefix): no tick within \(SpanText.of(Double(Self.above(seconds, page))))")
        case nil where page.newest.map { $0.older > 0 } ?? false:
            self.init(.quiet, "\(prefix): no tick for more than an hour")
        case nil: self.init(.quiet, "\(prefix): no tick yet")
        }
    }

    /// Judges a provider that has no connection: a recording, or one that was not started.
    private init(withoutConnection provider: ProviderView, _ page: FeedPage) {
        func said(_ name: String) -> String? { provider.remarks.first { $0.name == name }?.value }
        let state = said("state") ?? ""
        if let problem = said("problem") {
            self.init(.failed, problem, ("read the log of its gateway", "SourceMissing"))
        } else if state == "not started" {
            let reason = said("reason").map { ": \($0)" } ?? ""
            self.init(
                .failed, "it cannot be started\(reason); it is tried again",
                ("read the log of its gateway", "SourceMissing"))
        } else if state == "stopped" {
            self.init(.waits, "its thread has ended or has not begun")
        } else {
            self.init(ofTicks: page, state.isEmpty ? "it runs" : state)
        }
    }

    /// Returns the state of a feed that is connected, as the calendar of its source has it.
    /// `silence` says for how long no tick has come while its market is open, if that is too long.
    func within(closed: String?, silence: Double?) -> FeedCondition {
        guard kind == .delivers || kind == .quiet else { return self }
        if let closed {
            return FeedCondition(
                .closed, kind == .delivers ? "\(closed), and ticks come" : "\(closed): connected")
        }
        // Its own gateway has seen ticks a moment ago.
        guard let silence, kind == .quiet else { return self }
        var state = FeedCondition(
            .failed, "connected, and silent in its session for \(SpanText.of(silence))")
        state.advice = "does the provider itself get data? If so, start its gateway again"
        state.runbook = Sighting.runbookOfSilence
        return state
    }

    /// Returns the age that no tick is younger than, if one came within these seconds.
    private static func above(_ seconds: Int, _ page: FeedPage) -> Int {
        page.newest?.ages.last { $0.seconds < seconds }?.seconds ?? seconds
    }

    private static func known(_ state: String) -> (failed: Bool, words: String) {
        switch state {
        case "closed": (false, "waits to connect again")
        case "connecting": (false, "connecting")
        case "failing": (false, "does not answer, and is asked again")
        case "refused": (true, "does not take the key, or the account lacks what is asked for")
        case "occupied": (true, "another session of the account is there")
        case "competing": (true, "another session of the same user has the data")
        case "server-lost": (true, "TWS has lost the broker's servers")
        case "farm-down": (true, "a data farm of the broker is down")
        case "silent": (true, "feeds are silent in trading hours")
        case "idle", "asking": (false, "no request has ended yet")
        case _: (true, state)
        }
    }

    private static func advice(
        _ provider: String, _ state: String
    ) -> (text: String, runbook: String)? {
        switch (provider, state) {
        case (_, "idle"), (_, "asking"): return nil
        case (_, "refused"):
            return ("check the key, and what the account may read", "ProviderRefused")
        case ("alpaca", "occupied"):
            return ("end the other session of the account", "ProviderNotConnected")
        case (_, "occupied"), (_, "competing"):
            return ("end the other session of the account", "ProviderAccountInUse")
        case ("ibkr", "silent"): return ("look at TWS: do its windows move?", "ProviderSilent")
        case ("ibkr", "server-lost"), ("ibkr", "farm-down"):
            return ("wait, and look at TWS", "ProviderNotConnected")
        case ("ibkr", _): return ("is TWS started and logged in?", "ProviderNotConnected")
        case ("alpaca", _), ("massive", _), ("binance", _):
            return ("it connects by itself: check the network", "ProviderNotConnected")
        case ("fred", _), ("coingecko", _), ("alternative-me", _):
            return ("it asks again: check the network", "ProviderFeedsDown")
        case (_, _): return nil
        }
    }
}
