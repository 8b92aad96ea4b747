internal import EngineKit
package import MarketModel
package import Primitives

// Which symbols are wanted, and what is said of them.
extension AlpacaEngine {
    /// An instrument to begin, and the time until which it is complete on the tape (undefined:
    /// nothing is missing).
    package struct Begun: Sendable {
        package var number: UInt32
        package var instrument: Instrument
        package var reached: Timestamp

        package init(number: UInt32, instrument: Instrument, reached: Timestamp) {
            self.number = number
            self.instrument = instrument
            self.reached = reached
        }
    }

    /// Changes what is wanted. `gaps` are those that an earlier process left.
    package mutating func follow(
        begun: [Begun], ended: [UInt32], gaps: [OpenGap] = [], _ now: Moment,
        into out: inout AlpacaOutput
    ) {
        let both = Set(begun.map(\.number)).intersection(ended)
        var before: [Int] = []
        for number in ended {
            refused.removeAll { $0.instrument == number }
            for place in feeds.indices
            where feeds[place].instrument == number && feeds[place].isWanted {
                feeds[place].isWanted = false
                feeds[place].standing.isAnnounced = false
                feeds[place].state = .starting
                feeds[place].refusal = ""
                // What is in both lists goes on with what it knows.
                if both.contains(number) { before.append(place) } else { forget(place) }
            }
        }
        for item in begun {
            begin(item, gaps.filter { $0.instrument == item.number }, now, into: &out)
        }
        for place in before where !feeds[place].isWanted { leave(place, now, into: &out) }
        for link in links.indices {
            let endpoint = links[link].endpoint
            links[link].isWanted = feeds.contains {
                $0.isWanted && $0.channel.endpoint == endpoint
            }
            links[link].asking.isBehind = true
        }
    }

    /// Forgets what a feed has delivered: what it lacks from here on, nobody wants.
    private mutating func forget(_ place: Int) {
        feeds[place].last = .undefined
        feeds[place].liveSince = .undefined
        feeds[place].openGap = nil
        feeds[place].inherited = []
    }

    /// Ends a feed of an instrument that goes on without it: with another symbol, which takes over
    /// what is missing, or without this kind of data.
    private mutating func leave(_ place: Int, _ now: Moment, into out: inout AlpacaOutput) {
        let feed = feeds[place]
        let isReplaced = feeds.contains {
            $0.isWanted && $0.instrument == feed.instrument && $0.channel == feed.channel
        }
        if !isReplaced, !feed.channel.isPart {
            endGap(of: place, "this kind of data is not wanted any more", now, into: &out)
            out.records.append(.tape(.subscription(subscription(feed, .stop, now))))
        }
        forget(place)
    }

    private mutating func begin(
        _ item: Begun, _ gaps: [OpenGap], _ now: Moment, into out: inout AlpacaOutput
    ) {
        let name = Self.name(of: item.instrument)
        let channels = AlpacaChannel.all(
            of: item.instrument.feeds, isCrypto: settings.feed.isCrypto)
        if let problem = problem(item, name, channels) {
            refused.append(
                AlpacaStatus.Feed(
                    instrument: item.number, name: name, state: .refused, reason: problem,
                    hasOpenGap: false))
            out.note(.refused(instrument: item.number, reason: problem))
            out.records.append(
                .feed(FeedState(instrument: item.number, state: .refused, time: now.wall)))
            return
        }
        for channel in channels {
            let wanted = Wanted(
                name: name, channel: channel, isFirst: channel == channels[0], item: item,
                left: channel.isPart ? [] : gaps.filter { $0.kind == channel.kind })
            begin(wanted, now, into: &out)
        }
    }

    /// A channel of an instrument to begin.
    private struct Wanted {
        var name: String
        var channel: AlpacaChannel
        /// Whether it speaks for the instrument.
        var isFirst: Bool
        var item: Begun
        /// The gaps that an earlier process left.
        var left: [OpenGap]
    }

    private mutating func begin(_ wanted: Wanted, _ now: Moment, into out: inout AlpacaOutput) {
        let (channel, item) = (wanted.channel, wanted.item)
        let name = channel.name(of: wanted.name)
        let former = feeds.indices.last {
            feeds[$0].instrument == item.number && feeds[$0].channel == channel
                && feeds[$0].name != name
        }
        let known = places.feed(name, channel)
        let place = known ?? feeds.count
        if known == nil {
            places.add(name, channel, feed: place)
            feeds.append(AlpacaFeed(instrument: item.number, name: name, channel: channel))
        } else if feeds[place].instrument != item.number {
            let isAsked = feeds[place].standing.isAsked
            let isConfirmed = feeds[place].standing.isConfirmed
            feeds[place] = AlpacaFeed(instrument: item.number, name: name, channel: channel)
            feeds[place].standing.isAsked = isAsked
            feeds[place].standing.isConfirmed = isConfirmed
        }
        feeds[place].isWanted = true
        feeds[place].isFollower = !wanted.isFirst
        feeds[place].refusal = ""
        feeds[place].reason = absent(of: item.instrument)
        feeds[place].inherited += wanted.left.filter { $0.to.isDefined }
        report(.starting, of: place, now, into: &out)
        if feeds[place].openGap == nil, !feeds[place].last.isDefined, !channel.isPart {
            let open = wanted.left.filter { !$0.to.isDefined }.min { $0.from < $1.from }
            if let open {
                feeds[place].openGap = UnendedGap(from: open.from, reason: open.reason)
            } else {
                resume(place, item, former, now, into: &out)
            }
        }
        let link = links[channel.endpoint.rawValue]
        if feeds[place].standing.isConfirmed, link.state == .ready {
            confirm(place, now, into: &out)
        }
    }

    /// Begins with what is missing already: since an earlier process, or since the instrument had
    /// another symbol. It is on record at once, because the floor rises without a connection, too.
    private mutating func resume(
        _ place: Int, _ item: Begun, _ former: Int?, _ now: Moment,
        into out: inout AlpacaOutput
    ) {
        if let former, let gap = feeds[former].openGap {
            feeds[place].openGap = gap
        } else if let former, complete(former).isDefined {
            let gap = UnendedGap(from: complete(former), reason: .gatewayLost)
            begin(gap, of: place, "", now, into: &out)
        } else if item.reached.isDefined {
            // Records of before may have been under way. And its connection may have been dead
            // without showing that yet: nothing has numbers that would tell.
            let doubt = max(settings.delayMax, settings.silentAfter)
            let from = item.reached.advanced(
                byNanoseconds: -doubt - feeds[place].channel.revisedAfter)
            let gap = UnendedGap(from: from, reason: .gatewayLost)
            begin(gap, of: place, "", now, into: &out)
        }
    }

    /// Returns why an instrument cannot be delivered; `nil`: it can.
    private func problem(
        _ item: Begun, _ name: String, _ channels: [AlpacaChannel]
    ) -> String? {
        let isCoin = item.instrument.contract.security == .crypto
        if settings.feed.isCrypto, !isCoin {
            return "only coins come from this feed: security: crypto, or another ALPACA_FEED"
        }
        if !settings.feed.isCrypto, item.instrument.contract.security != .stock {
            return "only stocks come from this feed: security: stock, or ALPACA_FEED=crypto"
        }
        guard !channels.isEmpty else {
            return "only trades, quotes, bars and news come from here, as feeds: trades"
        }
        guard (1...AlpacaLimits.symbolBytesMax).contains(name.utf8.count),
            name.utf8.allSatisfy(Self.isOfName)
        else { return "'\(name)' is no symbol of Alpaca: write it like AAPL or BTC/USD" }
        let isTaken = feeds.contains {
            $0.isWanted && $0.name == $0.channel.name(of: name) && $0.instrument != item.number
        }
        if isTaken { return "\(name) is asked for by another instrument" }
        return nil
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || "./-".utf8.contains(byte)
    }

    /// Says which feeds of an instrument do not come from here; empty: all come.
    private func absent(of instrument: Instrument) -> String {
        let known: Instrument.Feeds = [.level1, .trades, .allTrades, .quotes, .bars, .news]
        return instrument.feeds.isSubset(of: known)
            ? "" : "only its trades, quotes, bars and news come from here"
    }

    /// Returns the service's symbol: the one in the contract, else our own. The contract of a pair
    /// has its halves.
    private static func name(of instrument: Instrument) -> String {
        let contract = instrument.contract
        let own = contract.providerSymbol
        if own.isEmpty { return instrument.symbol.text.uppercased() }
        let isHalf = contract.security == .crypto && !own.contains("/")
        return (isHalf ? "\(own)/\(contract.currency)" : own).uppercased()
    }

    // MARK: what is said of them

    /// Sets the state of a feed, and reports it if the feed speaks for its instrument.
    mutating func report(
        _ state: FeedState.State, of place: Int, _ now: Moment, into out: inout AlpacaOutput
    ) {
        feeds[place].state = state
        guard !feeds[place].isFollower else { return }
        out.records.append(
            .feed(
                FeedState(
                    instrument: feeds[place].instrument, state: state, time: now.wall)))
    }

    /// The service refuses a feed. It is asked for again on the next connection.
    mutating func refuse(
        _ place: Int, _ why: String, _ now: Moment, into out: inout AlpacaOutput
    ) {
        feeds[place].standing.isAsked = false
        guard feeds[place].isWanted else { return }
        feeds[place].refusal = why
        out.note(
            .refused(
                instrument: feeds[place].instrument,
                reason: "\(feeds[place].channel.name) of \(feeds[place].name): \(why)"))
        report(.refused, of: place, now, into: &out)
    }

    /// The service has confirmed a feed.
    mutating func confirm(_ place: Int, _ now: Moment, into out: inout AlpacaOutput) {
        feeds[place].refusal = ""
        if feeds[place].state != .live {
            feeds[place].liveSince = present(feeds[place].channel, now)
            report(.live, of: place, now, into: &out)
        }
        if !feeds[place].standing.isAnnounced, !feeds[place].channel.isPart {
            announce(place, now, into: &out)
        }
        endGap(of: place, "nothing tells what was left out", now, into: &out)
    }

    private mutating func announce(_ place: Int, _ now: Moment, into out: inout AlpacaOutput) {
        feeds[place].standing.isAnnounced = true
        let feed = feeds[place]
        out.records.append(.tape(.subscription(subscription(feed, .start, now))))
        for gap in feed.inherited {
            out.records.append(
                feed.gap(
                    (from: gap.from, to: gap.to), gap.reason, .abandoned, at: now.wall,
                    detail: "nothing fetches these records"))
        }
        feeds[place].inherited = []
    }

    func subscription(
        _ feed: AlpacaFeed, _ action: SubscriptionAction, _ now: Moment
    ) -> SubscriptionRecord {
        SubscriptionRecord(
            header: feed.header(at: now.wall), action: action, kind: feed.kind,
            mode: feed.channel.endpoint == .market && settings.feed.delay > 0 ? .delayed : .live,
            provider: settings.provider)
    }

    // MARK: gaps

    /// A feed is not delivered any more: what it lacks from now on is a gap.
    mutating func endDelivery(
        _ place: Int, _ reason: GapReason, _ why: String, _ now: Moment,
        into out: inout AlpacaOutput
    ) {
        let from = complete(place)
        feeds[place].standing.isConfirmed = false
        // The next connection is asked for it again.
        feeds[place].refusal = ""
        guard feeds[place].isWanted, feeds[place].state == .live else { return }
        report(.down, of: place, now, into: &out)
        guard feeds[place].openGap == nil, from.isDefined, !feeds[place].channel.isPart else {
            return
        }
        begin(UnendedGap(from: from, reason: reason), of: place, why, now, into: &out)
    }

    /// Opens a gap whose end is not known yet.
    private mutating func begin(
        _ gap: UnendedGap, of place: Int, _ why: String, _ now: Moment,
        into out: inout AlpacaOutput
    ) {
        feeds[place].openGap = gap
        out.records.append(
            feeds[place].gap(
                (from: gap.from, to: .undefined), gap.reason, .open, at: now.wall,
                detail: why))
    }

    /// Ends the open gap, if there is one: it has an end, and what it lacks stays missing.
    private mutating func endGap(
        of place: Int, _ detail: String, _ now: Moment, into out: inout AlpacaOutput
    ) {
        guard let gap = feeds[place].openGap else { return }
        feeds[place].openGap = nil
        let feed = feeds[place]
        let end = max(present(feed.channel, now), gap.from.advanced(byNanoseconds: 1))
        out.records.append(
            feed.gap((from: gap.from, to: end), gap.reason, .open, at: now.wall))
        out.records.append(
            feed.gap(
                (from: gap.from, to: end), gap.reason, .abandoned, at: now.wall, detail: detail))
    }
}
