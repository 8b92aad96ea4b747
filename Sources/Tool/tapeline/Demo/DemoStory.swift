/// What happens to the connection in a demo, as sentences: pure, from one look after the other.
struct DemoStory: Sendable {
    private enum Stage {
        /// All is well, or nothing has been heard yet.
        case steady
        case away
        /// Connected again, and the feeds do not deliver yet.
        case back
        case filling
    }

    private var stage = Stage.steady
    /// It was connected before: only then it can go away.
    private var wasConnected = false

    /// Nothing is left to be mended.
    var isSteady: Bool { stage == .steady }

    /// What is new; nothing while the gateway does not answer.
    mutating func tell(_ broker: ProviderView?) -> [String] {
        guard let broker else { return [] }
        let isConnected = broker.state == "ready"
        defer { wasConnected = wasConnected || isConnected }
        guard wasConnected else { return [] }
        var news: [String] = []
        if !isConnected, stage != .away {
            stage = .away
            news.append(gone(broker))
        }
        if isConnected, stage == .away {
            stage = .back
            news.append("TWS is back; every feed is asked for again")
        }
        if isConnected, stage == .back, broker.openOutages == 0, broker.waitingBackfills > 0 {
            stage = .filling
            news.append(
                "the feeds deliver again; \(broker.waitingBackfills) gaps are to be filled in "
                    + "from its history")
        }
        if stage != .steady, broker.isWhole {
            stage = .steady
            news.append("what history has of the gaps is filled in, and the bars are repaired")
        }
        return news
    }

    private func gone(_ broker: ProviderView) -> String {
        var text = "TWS is away"
        if !broker.reason.isEmpty { text += " (\(broker.reason))" }
        if broker.openOutages > 0 { text += "; \(broker.openOutages) gaps are open on the tape" }
        if let next = broker.nextAttempt, let clock = next.split(separator: "T").last {
            text += "; the gateway tries again at \(clock.prefix(8))Z"
        }
        return text
    }
}
