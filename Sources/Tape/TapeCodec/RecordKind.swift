public import MarketModel

/// A kind of record. The raw value is its name for people, as `tapeline tail` shows it. All that
/// the codec decides by kind is in this file.
public enum RecordKind: String, CaseIterable, Sendable {
    case trade, quote, depth, news, bulletin, fundamental, indicator, subscription, gap, repair
    case action
    case tradeChange = "trade-change"
    case depthReset = "depth-reset"
    case providerBar = "provider-bar"
    case option
    case bar
    case lateTick = "late-tick"

    /// True if it is derived and published on `md.bars.*`.
    public var isDerived: Bool { self == .bar || self == .lateTick }

    /// Returns `nil` for a template that this version does not know, or that is no record's.
    public init?(template: UInt16) {
        switch template {
        case WireFormat.Template.trade: self = .trade
        case WireFormat.Template.quote: self = .quote
        case WireFormat.Template.depthUpdate: self = .depth
        case WireFormat.Template.depthReset: self = .depthReset
        case WireFormat.Template.providerBar: self = .providerBar
        case WireFormat.Template.optionComputation: self = .option
        case WireFormat.Template.newsHeadline: self = .news
        case WireFormat.Template.newsBulletin: self = .bulletin
        case WireFormat.Template.fundamentalPart: self = .fundamental
        case WireFormat.Template.indicatorValue: self = .indicator
        case WireFormat.Template.subscriptionRecord: self = .subscription
        case WireFormat.Template.gapRecord: self = .gap
        case WireFormat.Template.repairRequest: self = .repair
        case WireFormat.Template.tradeChange: self = .tradeChange
        case WireFormat.Template.actionRecord: self = .action
        case WireFormat.Template.bar: self = .bar
        case WireFormat.Template.lateTick: self = .lateTick
        default: return nil
        }
    }

    /// The length of the root block that this version writes. A reader accepts longer ones.
    public var block: Int {
        switch self {
        case .trade: WireFormat.Block.trade
        case .quote: WireFormat.Block.quote
        case .depth: WireFormat.Block.depthUpdate
        case .depthReset: WireFormat.Block.depthReset
        case .providerBar: WireFormat.Block.providerBar
        case .option: WireFormat.Block.optionComputation
        case .news: WireFormat.Block.newsHeadline
        case .bulletin: WireFormat.Block.newsBulletin
        case .fundamental: WireFormat.Block.fundamentalPart
        case .indicator: WireFormat.Block.indicatorValue
        case .subscription: WireFormat.Block.subscriptionRecord
        case .gap: WireFormat.Block.gapRecord
        case .repair: WireFormat.Block.repairRequest
        case .tradeChange: WireFormat.Block.tradeChange
        case .action: WireFormat.Block.actionRecord
        case .bar: WireFormat.Block.bar
        case .lateTick: WireFormat.Block.lateTick
        }
    }

    /// The offset of the series' index in the block; `nil` for a kind without a series.
    var seriesOffset: Int? {
        switch self {
        case .bar: 4
        case .lateTick: 128
        case .trade, .quote, .depth, .depthReset, .providerBar, .option, .news, .bulletin,
            .fundamental, .indicator, .subscription, .gap, .repair, .tradeChange,
            .action:
            nil
        }
    }
}

extension TapeRecord {
    /// Reads a record. Fails for a message without an ordinal, for a template that this version
    /// does not know, and for fields that do not hold what the template says. It does not read
    /// trades, quotes and bars, which the cursor itself returns.
    public init?(_ message: MessageBounds, in packet: RawSpan) {
        let record: TapeRecord? =
            switch RecordKind(template: message.template) {
            case .depth: message.depthUpdate(in: packet).map(Self.depth)
            case .depthReset: message.depthReset(in: packet).map(Self.depthReset)
            case .providerBar: message.providerBar(in: packet).map(Self.providerBar)
            case .option: message.optionComputation(in: packet).map(Self.option)
            case .news: message.newsHeadline(in: packet).map(Self.news)
            case .bulletin: message.newsBulletin(in: packet).map(Self.bulletin)
            case .fundamental: message.fundamentalPart(in: packet).map(Self.fundamental)
            case .indicator: message.indicatorValue(in: packet).map(Self.indicator)
            case .subscription: message.subscriptionRecord(in: packet).map(Self.subscription)
            case .gap: message.gapRecord(in: packet).map(Self.gap)
            case .repair: message.repairRequest(in: packet).map(Self.repair)
            case .tradeChange: message.tradeChange(in: packet).map(Self.tradeChange)
            case .action: message.actionRecord(in: packet).map(Self.action)
            case .lateTick: message.lateTick(in: packet).map(Self.lateTick)
            case .trade, .quote, .bar, nil: nil
            }
        guard let record else { return nil }
        self = record
    }
}

extension PacketBuilder {
    /// Appends a record of any kind.
    public mutating func append(_ record: TapeRecord) -> AppendOutcome {
        switch record {
        case .trade(let tick): append(tick) ? .appended : .full
        case .quote(let tick): append(tick) ? .appended : .full
        case .depth(let tick): append(tick) ? .appended : .full
        case .depthReset(let tick): append(tick) ? .appended : .full
        case .providerBar(let bar): append(bar) ? .appended : .full
        case .option(let option): append(option) ? .appended : .full
        case .indicator(let value): append(value)
        case .news(let news): append(news)
        case .bulletin(let bulletin): append(bulletin)
        case .fundamental(let part): append(part)
        case .subscription(let record): append(record)
        case .gap(let gap): append(gap)
        case .repair(let request): append(request)
        case .tradeChange(let change): append(change)
        case .action(let action): append(action)
        case .bar(let bar): append(bar) ? .appended : .full
        case .lateTick(let late): append(late) ? .appended : .full
        }
    }
}
