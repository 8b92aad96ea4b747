internal import Primitives

/// What a decoder met so far.
public struct DecodeCounters: Hashable, Sendable {
    /// Skipped messages by id; those beyond have no place of their own.
    public static let idLimit = 128

    public internal(set) var messages: UInt64 = 0
    public internal(set) var unknown: UInt64 = 0
    public internal(set) var skippedByID = [UInt64](repeating: 0, count: idLimit)
    /// Messages without a number that could be an id.
    public internal(set) var skippedWithoutID: UInt64 = 0
    /// Numbers that their scale cannot hold: rounded when they are too precise, undefined when they
    /// are too large.
    public internal(set) var lostNumbers: UInt64 = 0
    /// Exchanges, conditions and market makers that were cut to the length a tick holds.
    public internal(set) var cutTexts: UInt64 = 0

    public var skipped: UInt64 { skippedByID.reduce(skippedWithoutID, &+) }
}

/// Reads the bodies of messages as a server of one version writes them.
///
/// Fields behind those that are known are let pass: newer servers add some.
public struct MessageDecoder: Sendable {
    public let version: Int
    public private(set) var counters = DecodeCounters()

    public init(version: Int) { self.version = version }

    public mutating func decode(_ frame: RawSpan) -> Decoded {
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

    /// The kinds that come by the thousand first. nil: an id that is not known.
    @inline(__always)
    private func read(_ id: Int32, _ fields: inout FieldCursor) -> IBMessage? {
        switch id {
        case 1: Self.tickPrice(&fields)
        case 2: Self.tickSize(&fields)
        case 12: Self.depth(&fields, hasMarketMaker: false)
        case 13: Self.depth(&fields, hasMarketMaker: true)
        case 21: Self.tickOption(&fields)
        case 45: Self.tickGeneric(&fields)
        case 46: Self.tickString(&fields)
        case 50: Self.realTimeBar(&fields)
        case 99: Self.tickByTick(&fields)
        default: readRare(id, &fields)
        }
    }

    private func readRare(_ id: Int32, _ fields: inout FieldCursor) -> IBMessage? {
        switch id {
        case 4: Self.notice(&fields, version: version)
        case 9: Self.nextValidID(&fields)
        case 15: Self.managedAccounts(&fields)
        case 47: Self.tickExchangeForPhysical(&fields)
        case 49: Self.currentTime(&fields)
        case 57: Self.snapshotEnd(&fields)
        case 58: Self.marketDataType(&fields)
        case 81: Self.tickRequestParameters(&fields)
        case 91: .rerouteMarketData(Self.reroute(&fields))
        case 92: .rerouteDepth(Self.reroute(&fields))
        case 10, 18, 52, 75, 76, 79, 80, 82, 93: readReference(id, &fields)
        case 14, 51, 83, 84, 85, 86, 87: readNews(id, &fields)
        case 17, 88, 89, 90, 96, 97, 98, 106: readHistory(id, &fields)
        default: nil
        }
    }

    private func readReference(_ id: Int32, _ fields: inout FieldCursor) -> IBMessage? {
        switch id {
        case 10: Self.contractDetails(&fields, version: version)
        case 18: Self.bondDetails(&fields, version: version)
        case 52: Self.contractDetailsEnd(&fields)
        case 75: Self.optionParameters(&fields)
        case 76: .optionParametersEnd(request: fields.number())
        case 79: Self.symbolSamples(&fields, version: version)
        case 80: Self.depthExchanges(&fields)
        case 82: Self.smartComponents(&fields)
        case 93: Self.marketRule(&fields)
        default: nil
        }
    }

    private func readNews(_ id: Int32, _ fields: inout FieldCursor) -> IBMessage? {
        switch id {
        case 14: Self.bulletin(&fields)
        case 51: Self.fundamentals(&fields)
        case 83: Self.newsArticle(&fields)
        case 84: Self.news(&fields)
        case 85: Self.newsProviders(&fields)
        case 86: Self.historicalNews(&fields)
        case 87: .historicalNewsEnd(request: fields.number(), hasMore: fields.flag())
        default: nil
        }
    }

    private func readHistory(_ id: Int32, _ fields: inout FieldCursor) -> IBMessage? {
        switch id {
        case 17: Self.historicalBars(&fields)
        case 88: Self.headTimestamp(&fields)
        case 89: Self.histogram(&fields)
        case 90: Self.historicalBarUpdate(&fields)
        case 96: Self.historicalMidpoints(&fields)
        case 97: Self.historicalQuotes(&fields)
        case 98: Self.historicalTrades(&fields)
        case 106: Self.historicalSchedule(&fields)
        default: nil
        }
    }
}
