// Headlines of the past, and the time since which there is history.
extension SimulatedServer {
    static let headlines = [("BRFG", "BRFG$1", "Shares rise"), ("BRFG", "BRFG$2", "Shares fall")]

    mutating func tellDocument(_ fields: [String], _ now: Int64) {
        switch fields[0] {
        case "85" where unansweredProviders > 0: unansweredProviders -= 1
        case "85": send(ServerMessages.frame(["85", "1", "BRFG", "Briefing"]), now)
        case "86":
            guard !isVendorLost else {
                let id = Int32(fields[1]) ?? 0
                return send(words.notice(id, 10_172, "No news without the vendor"), now)
            }
            for (provider, article, text) in Self.headlines where fields[3] == provider {
                send(
                    ServerMessages.frame([
                        "86", fields[1], "2026-01-05 14:30:00.0", provider, article, text,
                    ]), now)
            }
            let instrument = (Int(fields[2]) ?? 0) - Self.firstContract
            for trade in trades where trade.instrument == instrument && trade.isNews {
                send(words.headline(fields[1], trade), now)
            }
            if hasStrayPrices {
                send(ServerMessages.frame(["1", "6", fields[1], "1", "10.5", "100", "0"]), now)
            }
            send(ServerMessages.frame(["87", fields[1], hasMoreHeadlines ? "1" : "0"]), now)
        case "87": send(ServerMessages.frame(["88", fields[1], "1000000000"]), now)
        default: break
        }
    }
}
