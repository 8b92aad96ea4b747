internal import MarketModel
internal import YAMLFile

/// The defaults of one file, for its own instruments: the mapping under `defaults`.
struct InstrumentDefaults {
    // An empty text or list means that there is no default.

    var security = Instrument.Security.stock
    var exchange = ""
    var primaryExchange = ""
    var currency = ""
    var feeds: Instrument.Feeds = .level1
    var providers: [String] = []

    init(_ node: YAMLNode?, _ list: inout ProblemList) {
        let known = ["security", "exchange", "primary_exchange", "currency", "feeds", "providers"]
        guard let node,
            let fields = Fields(
                node, of: "defaults", known: known,
                explained: ["symbol": "it is of one instrument: write it under 'instruments'"],
                &list)
        else { return }
        let words = InstrumentWords(owner: "defaults")
        security = words.security(fields["security"], &list) ?? security
        exchange = words.text(fields["exchange"], "exchange", &list) ?? ""
        primaryExchange = words.text(fields["primary_exchange"], "primary_exchange", &list) ?? ""
        currency = words.currency(fields["currency"], &list) ?? ""
        feeds = words.feeds(fields["feeds"], &list) ?? feeds
        providers = words.providers(fields["providers"], &list) ?? []
    }
}
