/// What a demo does when: a market that is made up, and a broker that goes away in the middle.
struct DemoPlan: Equatable, Sendable {
    /// The shipped list `benchmarks.yaml` has them; a local stack gives it to the gateway.
    static let symbols = ["SPY", "QQQ", "IWM", "DIA"]
    static let source = "ibkr"
    static let secondsRange = 10...3_600
    /// Events per second over all symbols: four in ten are trades, five are quotes.
    static let rateRange = 40...20_000
    /// So long nobody is let in.
    static let awaySeconds = 4
    /// Bars of ten seconds, besides the usual ones: half a minute has few whole minutes.
    private static let series = "1s,10s,1m"
    /// What would make it another demo.
    private static let fixed = [
        "GATEWAY_PROVIDER", "GATEWAY_SOURCE", "GATEWAY_INSTRUMENTS", "SIMULATOR_SYMBOLS",
        "SIMULATOR_TRUTH",
    ]

    let seconds: Int
    let rate: Int
    let seed: UInt64
    /// Those of the stack: the demo's own, and the person's over them.
    let settings: StackSettings

    init(
        seconds: Int, settings wished: StackSettings, truth: String
    ) throws(ToolError) {
        self.seconds = seconds
        var all = StackSettings()
        for text in [
            "SIMULATOR_RATE=1000", "SIMULATOR_SEED=1", "OPERATOR_SERIES=\(Self.series)",
            "SIMULATOR_SYMBOLS=\(Self.symbols.joined(separator: ","))", "SIMULATOR_TRUTH=\(truth)",
        ] {
            try all.add(text)
        }
        for (key, value) in wished.values {
            guard !Self.fixed.contains(key), !key.hasPrefix("SYNTHETIC_") else {
                throw .usage(
                    "'\(key)' is not for a demo, whose ticks come from a made-up broker "
                        + "(SIMULATOR_RATE, SIMULATOR_SEED)")
            }
            try all.add("\(key)=\(value)")
        }
        guard let rate = all["SIMULATOR_RATE"].flatMap({ Int($0) }), Self.rateRange.contains(rate)
        else {
            throw .usage(
                "SIMULATOR_RATE of a demo is a number from \(Self.rateRange.lowerBound) to "
                    + "\(Self.rateRange.upperBound)")
        }
        guard let seed = all["SIMULATOR_SEED"].flatMap({ UInt64($0) }) else {
            throw .usage("SIMULATOR_SEED is a whole number")
        }
        self.rate = rate
        self.seed = seed
        settings = all
    }

    /// When the broker goes away: bars are there by then, and time is left to see it mended.
    var faultSecond: Int { max(3, seconds / 3) }
}
