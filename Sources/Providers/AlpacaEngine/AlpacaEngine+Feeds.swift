package import EngineKit
package import MarketModel
internal import Primitives

// Which symbols are wanted.
extension AlpacaEngine {
    /// Changes what is wanted. `gaps` are those that an earlier process left.
    package mutating func follow(
        begun: [BegunInstrument], ended: [UInt32], gaps: [OpenGap] = [], _ now: Moment,
        into out: inout AlpacaOutput
    ) {
        let feed = settings.feed
        let refusals = feeds.follow(
            StreamFeeds.Orders(begun: begun, ended: ended, gaps: gaps), now, into: &out.records
        ) { Self.plan($0.instrument, feed) }
        for refusal in refusals {
            out.note(.refused(instrument: refusal.instrument, reason: refusal.reason))
        }
        for link in links.indices {
            links[link].isWanted = feeds.isWanted(link: links[link].endpoint.rawValue)
            links[link].asking.isBehind = true
        }
    }

    private static func plan(_ instrument: Instrument, _ feed: AlpacaFeedName) -> StreamPlan {
        let name = name(of: instrument)
        let channels = AlpacaChannel.all(of: instrument.feeds, isCrypto: feed.isCrypto)
        var plan = StreamPlan(
            name: name, channels: channels.map { $0.stream(feed) },
            absent: absent(of: instrument), problem: problem(instrument, name, channels, feed))
        for channel in AlpacaChannel.allCases {
            plan.names[channel.rawValue] = channel.name(of: name)
        }
        return plan
    }

    /// Returns why an instrument cannot be delivered; `nil`: it can.
    private static func problem(
        _ instrument: Instrument, _ name: String, _ channels: [AlpacaChannel],
        _ feed: AlpacaFeedName
    ) -> String? {
        let isCoin = instrument.contract.security == .crypto
        if feed.isCrypto, !isCoin {
            return "only coins come from this feed: security: crypto, or another ALPACA_FEED"
        }
        if !feed.isCrypto, instrument.contract.security != .stock {
            return "only stocks come from this feed: security: stock, or ALPACA_FEED=crypto"
        }
        guard !channels.isEmpty else {
            return "only trades, quotes, bars and news come from here, as feeds: trades"
        }
        return problem(ofName: name)
    }

    /// Returns why a name is no symbol of the service; `nil`: it may be one.
    static func problem(ofName name: String) -> String? {
        guard (1...AlpacaLimits.symbolBytesMax).contains(name.utf8.count),
            name.utf8.allSatisfy(isOfName)
        else { return "'\(name)' is no symbol of Alpaca: write it like AAPL or BTC/USD" }
        return nil
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || "./-".utf8.contains(byte)
    }

    /// Says which feeds of an instrument do not come from here; empty: all come.
    private static func absent(of instrument: Instrument) -> String {
        let known: Instrument.Feeds = [.level1, .trades, .allTrades, .quotes, .bars, .news]
        return instrument.feeds.isSubset(of: known)
            ? "" : "only its trades, quotes, bars and news come from here"
    }

    /// Returns the service's symbol: the one in the contract, else our own. The contract of a pair
    /// has its halves.
    static func name(of instrument: Instrument) -> String {
        let contract = instrument.contract
        let own = contract.providerSymbol
        if own.isEmpty { return instrument.symbol.text.uppercased() }
        let isHalf = contract.security == .crypto && !own.contains("/")
        return (isHalf ? "\(own)/\(contract.currency)" : own).uppercased()
    }

    /// The service refuses a feed. It is asked for again after a while, and on the next connection.
    mutating func refuse(
        _ place: Int, _ why: String, lacksRoom: Bool = false, _ now: Moment,
        into out: inout AlpacaOutput
    ) {
        guard feeds.refuse(place, why, lacksRoom: lacksRoom, now, into: &out.records) else {
            return
        }
        let feed = feeds.list[place]
        out.note(
            .refused(
                instrument: feed.instrument,
                reason: "\(feed.ofAlpaca.name) of \(feed.name): \(why)"))
    }
}
