import TapeCodec

/// A kind of message of the tape, by its name on the command line.
enum TickKind: String, CaseIterable, Sendable {
    case trade, quote, depth, news, bulletin, fundamental, indicator, subscription, gap, repair
    case depthReset = "depth-reset"
    case providerBar = "provider-bar"
    case option
    case bar
    case lateTick = "late-tick"
    /// A tick of a kind that this version does not know.
    case unknown
    /// The first packet of an epoch.
    case marker
    case watermark

    /// True if the packet carries no tick.
    var isControl: Bool { self == .marker || self == .watermark }
    /// True if it is derived and published on `md.bars.*`.
    var isDerived: Bool { self == .bar || self == .lateTick }

    init(template: UInt16) {
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
        case WireFormat.Template.bar: self = .bar
        case WireFormat.Template.lateTick: self = .lateTick
        default: self = .unknown
        }
    }
}
