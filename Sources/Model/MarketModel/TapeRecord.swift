public import Primitives

/// A record on the tape that has an ordinal, of any kind.
///
/// The holder of the record defines what a symbol's number means: the index in a packet, or a
/// number of a source. Records with all fields inline are copied without the heap.
public enum TapeRecord: Hashable, Sendable {
    case trade(Trade)
    case quote(Quote)
    case depth(DepthUpdate)
    case depthReset(DepthReset)
    case providerBar(ProviderBar)
    case option(OptionComputation)
    case indicator(IndicatorValue)
    case news(NewsHeadline)
    case bulletin(NewsBulletin)
    case fundamental(FundamentalPart)
    case subscription(SubscriptionRecord)
    case gap(GapRecord)
    case repair(RepairRequest)
    // Derived records.
    case bar(Bar)
    case lateTick(LateTickRecord)
}

extension TapeRecord {
    /// The tick header that all records begin with; `nil` for a bar of ours, which has none.
    public var header: TickHeader? {
        switch self {
        case .trade(let tick): tick.header
        case .quote(let tick): tick.header
        case .depth(let tick): tick.header
        case .depthReset(let tick): tick.header
        case .providerBar(let bar): bar.header
        case .option(let option): option.header
        case .indicator(let value): value.header
        case .news(let news): news.header
        case .bulletin(let bulletin): bulletin.header
        case .fundamental(let part): part.header
        case .subscription(let record): record.header
        case .gap(let gap): gap.header
        case .repair(let request): request.header
        case .bar: nil
        case .lateTick(let late): late.header
        }
    }

    public var eventTime: Timestamp {
        if case .bar(let bar) = self { bar.openTime } else { header?.eventTime ?? .undefined }
    }

    /// The kind of data under which policies and gaps know the record. It is `nil` for records that
    /// no policy leaves out: those about the data, and derived ones. A reset of a book is not left
    /// out either: it may come later than it happened, and it may be merged with the resets of the
    /// same book that followed it.
    public var kind: DataKind? {
        switch self {
        case .trade: .trade
        case .quote: .quote
        case .depth, .depthReset: .depth
        case .providerBar: .providerBar
        case .option: .optionComputation
        case .indicator: .indicator
        case .news, .bulletin: .news
        case .fundamental: .fundamental
        case .subscription, .gap, .repair, .bar, .lateTick: nil
        }
    }

    /// Returns the same record with a changed header: for another symbol, or at another time.
    public func changed(_ change: (inout TickHeader) -> Void) -> Self {
        switch self {
        case .trade(var tick):
            change(&tick.header)
            return .trade(tick)
        case .quote(var tick):
            change(&tick.header)
            return .quote(tick)
        case .depth(var tick):
            change(&tick.header)
            return .depth(tick)
        case .depthReset(var tick):
            change(&tick.header)
            return .depthReset(tick)
        case .providerBar(var bar):
            change(&bar.header)
            return .providerBar(bar)
        case .option(var option):
            change(&option.header)
            return .option(option)
        case .indicator(var value):
            change(&value.header)
            return .indicator(value)
        case .news(var news):
            change(&news.header)
            return .news(news)
        case .bulletin(var bulletin):
            change(&bulletin.header)
            return .bulletin(bulletin)
        case .fundamental(var part):
            change(&part.header)
            return .fundamental(part)
        case .subscription(var record):
            change(&record.header)
            return .subscription(record)
        case .gap(var gap):
            change(&gap.header)
            return .gap(gap)
        case .repair(var request):
            change(&request.header)
            return .repair(request)
        case .lateTick(var late):
            change(&late.header)
            return .lateTick(late)
        case .bar: return self
        }
    }
}
