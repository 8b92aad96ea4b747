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
    case tradeChange(TradeChange)
    case action(ActionRecord)
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
        case .tradeChange(let change): change.header
        case .action(let action): action.header
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
        case .subscription, .gap, .repair, .tradeChange, .action, .bar, .lateTick: nil
        }
    }

    /// The number of the record's series; `nil` for a record that belongs to none.
    public var series: UInt16? {
        switch self {
        case .bar(let bar): bar.series
        case .lateTick(let late): late.series
        case .trade, .quote, .depth, .depthReset, .providerBar, .option, .indicator, .news,
            .bulletin, .fundamental, .subscription, .gap, .repair, .tradeChange, .action:
            nil
        }
    }

    /// Returns the same record with a changed header: for another symbol, or at another time.
    public func changed(_ change: (inout TickHeader) -> Void) -> Self {
        switch self {
        case .trade(let tick): .trade(tick.changed(change))
        case .quote(let tick): .quote(tick.changed(change))
        case .depth(let tick): .depth(tick.changed(change))
        case .depthReset(let tick): .depthReset(tick.changed(change))
        case .providerBar(let bar): .providerBar(bar.changed(change))
        case .option(let option): .option(option.changed(change))
        case .indicator(let value): .indicator(value.changed(change))
        case .news(let news): .news(news.changed(change))
        case .bulletin(let bulletin): .bulletin(bulletin.changed(change))
        case .fundamental(let part): .fundamental(part.changed(change))
        case .subscription(let record): .subscription(record.changed(change))
        case .gap(let gap): .gap(gap.changed(change))
        case .repair(let request): .repair(request.changed(change))
        case .tradeChange(let record): .tradeChange(record.changed(change))
        case .action(let action): .action(action.changed(change))
        case .bar: self
        case .lateTick(let late): .lateTick(late.changed(change))
        }
    }

    /// Appends the record's own values, without those of its header.
    public func list(into fields: inout [RecordField], _ context: RecordContext) {
        switch self {
        case .trade(let tick): tick.list(into: &fields)
        case .quote(let tick): tick.list(into: &fields)
        case .depth(let tick): tick.list(into: &fields)
        case .depthReset(let tick): tick.list(into: &fields)
        case .providerBar(let bar): bar.list(into: &fields)
        case .option(let option): option.list(into: &fields)
        case .indicator(let value): value.list(into: &fields)
        case .news(let news): news.list(into: &fields)
        case .bulletin(let bulletin): bulletin.list(into: &fields)
        case .fundamental(let part): part.list(into: &fields)
        case .subscription(let record): record.list(into: &fields)
        case .gap(let gap): gap.list(into: &fields)
        case .repair(let request): request.list(into: &fields)
        case .tradeChange(let change): change.list(into: &fields)
        case .action(let action): action.list(into: &fields)
        case .bar(let bar): bar.list(into: &fields, context)
        case .lateTick(let late): late.list(into: &fields, context)
        }
    }
}

/// A record with the header that all but bars begin with.
protocol HeadedRecord {
    var header: TickHeader { get set }
}

extension HeadedRecord {
    fileprivate func changed(_ change: (inout TickHeader) -> Void) -> Self {
        var changed = self
        change(&changed.header)
        return changed
    }
}
