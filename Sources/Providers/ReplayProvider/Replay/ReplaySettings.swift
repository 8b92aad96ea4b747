internal import MarketModel
internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import TapeProtocol
internal import TapeTransport

extension ReplayProvider {
    /// Returns what is wrong with a speed (`full`, 1, 2.5); `nil` when nothing is.
    package static func problem(speed text: String) -> String? {
        ReplaySettings.speedProblem(text)
    }
}

/// The recording to replay, its speed, and its times.
struct ReplaySettings: Sendable {
    enum Input: Sendable {
        case file(String, symbols: [Symbol])
        case range(TapeRange)
    }

    let input: Input
    let speed: ReplayPace.Speed
    /// True when all times are moved so that the recording begins now.
    let movesToNow: Bool

    var symbols: [Symbol] {
        switch input {
        case .file(_, let symbols): symbols
        case .range(let range): range.symbols
        }
    }

    init(_ configuration: Configuration) throws(SettingsError) {
        speed = try Self.speed(configuration.text("REPLAY_SPEED"))
        movesToNow = configuration.text("REPLAY_SHIFT") == "now"
        if movesToNow, speed != .thousandths(1_000) {
            throw SettingsError(
                "REPLAY_SHIFT: now needs REPLAY_SPEED 1, else ticks are stamped ahead of the time")
        }
        for key in ["GATEWAY_POLICY_TRADES", "GATEWAY_POLICY_QUOTES"]
        where configuration.text(key) != "block" {
            throw SettingsError("\(key): a replay leaves nothing out, so it has to be block")
        }
        guard configuration.list("GATEWAY_PROVIDER") == ["replay"] else {
            throw SettingsError("GATEWAY_PROVIDER: replay stands alone")
        }
        let symbols = try Self.symbols(configuration)
        let file = configuration.optionalText("REPLAY_FILE") ?? ""
        let namespace = configuration.optionalText("REPLAY_NAMESPACE") ?? ""
        guard file.isEmpty != namespace.isEmpty else {
            throw SettingsError("REPLAY_FILE: give this or REPLAY_NAMESPACE, and not both")
        }
        input =
            file.isEmpty
            ? .range(try Self.range(configuration, namespace, symbols))
            : .file(file, symbols: symbols)
    }

    private static func range(
        _ configuration: Configuration, _ namespace: String, _ symbols: [Symbol]
    ) throws(SettingsError) -> TapeRange {
        guard TapeNames(namespace: namespace, partitions: 1) != nil else {
            throw SettingsError(
                "REPLAY_NAMESPACE: \(namespace) is not a letter and at most 15 of a-z 0-9 _")
        }
        let tape = try TapeSettings(configuration)
        var nats = tape.nats
        let urls = configuration.list("REPLAY_NATS_URL")
        if !urls.isEmpty { nats.urls = urls }
        if let user = configuration.optionalText("REPLAY_NATS_USER"), !user.isEmpty {
            (nats.user, nats.credentials) = (user, nil)
            nats.password = configuration.secret("REPLAY_NATS_PASSWORD")?.revealed
            nats.renewable = configuration.renewable("REPLAY_NATS_PASSWORD")
            nats.keepAnswersPrivate()
        }
        if nats.urls == tape.nats.urls, namespace == tape.names.namespace {
            throw SettingsError(
                "REPLAY_NAMESPACE: \(namespace) is the namespace that is replayed into")
        }
        guard let source = SourceName(configuration.text("REPLAY_SOURCE")) else {
            throw SettingsError("REPLAY_SOURCE: this is no name of a source")
        }
        let from = try time("REPLAY_FROM", configuration) ?? .undefined
        guard let to = try time("REPLAY_TO", configuration) else {
            throw SettingsError(
                "REPLAY_TO: it is needed, so that a second start replays the same range")
        }
        guard !from.isDefined || from < to else {
            throw SettingsError("REPLAY_FROM: it has to come before REPLAY_TO")
        }
        return TapeRange(
            nats: nats, namespace: namespace, source: source, from: from, to: to, symbols: symbols)
    }

    private static func time(
        _ key: String, _ configuration: Configuration
    ) throws(SettingsError) -> Timestamp? {
        guard let text = configuration.optionalText(key), !text.isEmpty else { return nil }
        guard let time = ISOTime.parse(text) else {
            throw SettingsError("\(key): \(text) is no time like 2026-11-20T14:30:00Z")
        }
        return time
    }

    /// Returns what is wrong with a speed; `nil` when nothing is.
    static func speedProblem(_ text: String) -> String? {
        do throws(SettingsError) {
            _ = try speed(text)
            return nil
        } catch {
            return error.description
        }
    }

    /// Reads `full`, or a number with at most three decimals.
    static func speed(_ text: String) throws(SettingsError) -> ReplayPace.Speed {
        if text == "full" { return .full }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let decimals = parts.count == 2 ? parts[1] : "0"
        let digits = parts.joined().utf8
        guard parts.count <= 2, !decimals.isEmpty, decimals.utf8.count <= 3,
            digits.allSatisfy({ (0x30...0x39).contains($0) }), let whole = Int64(parts[0]),
            let fraction = Int64(decimals.padded(with: "0", to: 3)), whole <= 1_000_000,
            whole * 1_000 + fraction > 0
        else {
            throw SettingsError(
                "REPLAY_SPEED: \(text) is not 'full' or a number above 0 with at most 3 decimals")
        }
        return .thousandths(whole * 1_000 + fraction)
    }

    private static func symbols(_ configuration: Configuration) throws(SettingsError) -> [Symbol] {
        var symbols: [Symbol] = []
        for text in configuration.list("REPLAY_SYMBOLS") {
            guard let symbol = Symbol(text) else {
                throw SettingsError("REPLAY_SYMBOLS: one of them is no symbol")
            }
            symbols.append(symbol)
        }
        return symbols
    }
}

extension StringProtocol {
    fileprivate func padded(with character: Character, to count: Int) -> String {
        String(self) + String(repeating: character, count: Swift.max(0, count - self.count))
    }
}
