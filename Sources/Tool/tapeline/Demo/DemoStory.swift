import DeploymentWatch

/// Describes in sentences what happens to the connection in a demo. Pure: it compares each sample
/// with the one before.
struct DemoStory: Sendable {
    private enum Stage {
        /// All is well, or no sample has come yet.
        case steady
        case away
        /// Connected again, but the feeds do not deliver yet.
        case back
        case filling
    }

    private var stage = Stage.steady
    /// True once it was connected, because only then it can go away.
    private var wasConnected = false

    /// True if nothing is left to repair.
    var isSteady: Bool { stage == .steady }

    /// Returns the news since the last sample. Empty while the gateway does not answer.
    mutating func report(_ broker: ProviderView?) -> [String] {
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
