internal import Primitives

/// The decoder's counters.
package struct DecodeCounters: Hashable, Sendable {
    /// Skipped messages are counted by id, up to this many ids. Further ids share one counter.
    package static let idLimit = 128

    package internal(set) var messages: UInt64 = 0
    package internal(set) var unknown: UInt64 = 0
    package internal(set) var skippedByID = [UInt64](repeating: 0, count: idLimit)
    /// The number of messages that do not begin with a possible id.
    package internal(set) var skippedWithoutID: UInt64 = 0
    /// The number of values that their scale cannot hold: rounded when they are too precise,
    /// undefined when they are too large.
    package internal(set) var lostNumbers: UInt64 = 0
    /// The number of exchanges, conditions and market makers that were cut to the length that a
    /// tick holds.
    package internal(set) var cutTexts: UInt64 = 0

    package var skipped: UInt64 { skippedByID.reduce(skippedWithoutID, &+) }
}

/// Reads the bodies of messages as a server of one version writes them.
///
/// Fields after the known ones are ignored, because newer servers add some.
package struct MessageDecoder: Sendable {
    package let version: Int
    package private(set) var counters = DecodeCounters()

    package init(version: Int) { self.version = version }

    package mutating func decode(_ frame: RawSpan) -> Decoded {
        var fields = FieldCursor(frame)
        let id = fields.number()
        guard fields.fault == nil, id >= 0 else {
            counters.skippedWithoutID &+= 1
            return .skipped(id: -1, fields.fault ?? .outOfRange)
        }
        let message = read(id, &fields)
        counters.lostNumbers &+= fields.losses.numbers
        counters.cutTexts &+= fields.losses.texts
        if let fault = fields.fault {
            if Int(id) < DecodeCounters.idLimit {
                counters.skippedByID[Int(id)] &+= 1
            } else {
                counters.skippedWithoutID &+= 1
            }
            return .skipped(id: id, fault)
        }
        guard let message else {
            counters.unknown &+= 1
            return .unknown(id: id)
        }
        counters.messages &+= 1
        return .message(message)
    }

    /// Returns `nil` when this client reads no such kind, or when a field of the message is faulty.
    private func read(_ id: Int32, _ fields: inout FieldCursor) -> IBMessage? {
        guard let id = MessageID(rawValue: id) else { return nil }
        return switch id {
        case .tickPrice: Self.tickPrice(&fields)
        case .tickSize: Self.tickSize(&fields)
        case .tickGeneric: Self.tickGeneric(&fields)
        case .tickString: Self.tickString(&fields)
        case .tickOption: Self.tickOption(&fields)
        case .tickByTick: Self.tickByTick(&fields)
        case .depth: Self.depth(&fields, hasMarketMaker: false)
        case .depthOfMarketMakers: Self.depth(&fields, hasMarketMaker: true)
        case .realTimeBar: Self.realTimeBar(&fields)

        case .notice: Self.notice(&fields, version: version)
        case .nextValidID: Self.nextValidID(&fields)
        case .managedAccounts: Self.managedAccounts(&fields)
        case .currentTime: Self.currentTime(&fields)
        case .marketDataType: Self.marketDataType(&fields)
        case .tickRequestParameters: Self.tickRequestParameters(&fields)
        case .rerouteMarketData: .feed(.rerouteMarketData(Self.reroute(&fields)))
        case .rerouteDepth: .feed(.rerouteDepth(Self.reroute(&fields)))
        case .contractDetails: Self.contractDetails(&fields, version: version)
        case .bondDetails: Self.bondDetails(&fields, version: version)
        case .contractDetailsEnd: Self.contractDetailsEnd(&fields)

        case .bulletin: Self.bulletin(&fields)
        case .fundamentals: Self.fundamentals(&fields)
        case .news: Self.news(&fields)
        case .newsProviders: Self.newsProviders(&fields)
        case .historicalNews: Self.historicalNews(&fields)
        case .historicalNewsEnd:
            .feed(.headlinesEnd(request: fields.number(), hasMore: fields.flag()))

        case .historicalBars: Self.historicalBars(&fields)
        case .headTimestamp: Self.headTimestamp(&fields)
        case .historicalMidpoints: Self.historicalMidpoints(&fields)
        case .historicalQuotes: Self.historicalQuotes(&fields)
        case .historicalTrades: Self.historicalTrades(&fields)
        }
    }
}
