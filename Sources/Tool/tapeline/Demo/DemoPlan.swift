import DeploymentWatch

/// The schedule of a demo: a synthetic market, and a broker that goes away in the middle.
struct DemoPlan: Equatable, Sendable {
    /// The symbols of the demo. The shipped list `benchmarks.yaml`, which a local stack gives to
    /// the gateway, contains them.
    static let symbols = ["SPY", "QQQ", "IWM", "DIA"]
    static let source = "ibkr"
    static let secondsRange = 10...3_600
    /// Events per second over all symbols. Four in ten are trades, five are quotes.
    static let rateRange = 40...20_000
    /// The seconds for which the simulated TWS accepts no connection.
    static let awaySeconds = 4
    /// The usual series and ten-second bars, because half a minute has few complete minutes.
    private static let series = "1s,10s,1m"
    /// Settings that a person cannot change, because it would be another demo.
    private static let fixed = [
        "GATEWAY_PROVIDER", "GATEWAY_SOURCE", "GATEWAY_INSTRUMENTS", "SIMULATOR_SYMBOLS",
        "SIMULATOR_TRUTH",
    ]

    let seconds: Int
    let rate: Int
    let seed: UInt64
    /// The settings of the stack: the demo's own, overridden by the person's.
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

    /// The second at which the broker goes away. By then there are bars, and time is left to see
    /// the repair.
    var faultSecond: Int { max(3, seconds / 3) }
}
