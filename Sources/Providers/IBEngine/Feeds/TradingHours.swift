internal import IBProtocol
internal import MarketModel

/// The hours in which an instrument trades, as the details of its contract give them.
struct TradingHours: Sendable {
    /// The name of their time zone; empty: it is not known.
    private(set) var zone = ""
    /// The texts from which the hours are read, as soon as the zone's rules are known.
    private var liquidText = ""
    private var allText = ""
    /// The liquid (regular) trading hours, and all hours in which it trades; `nil` while they are
    /// not known.
    var liquid: SessionHours?
    var all: SessionHours?

    /// Takes the hours of a contract. Where the provider gives only one of the two, it stands for
    /// both. `rules`: those of the zone; `nil`: they are not known yet.
    mutating func take(_ details: ContractDetails, _ rules: ZoneRules?) {
        zone = details.zone
        (liquidText, allText) = (details.liquidHours, details.tradingHours)
        if liquidText.isEmpty { liquidText = allText }
        if allText.isEmpty { allText = liquidText }
        read(rules)
    }

    /// Reads the hours by the rules of their zone.
    mutating func read(_ rules: ZoneRules?) {
        liquid = rules.map { [liquidText] in SessionHours(liquidText, $0) }
        all = rules.map { [allText] in SessionHours(allText, $0) }
    }
}
