internal import MarketModel
internal import YAMLFile

/// Reads the single values of instruments and of their defaults. Each function returns `nil` when
/// the value is missing or is a mistake; a mistake goes into the list.
struct InstrumentWords {
    /// What messages name: the symbol, or `defaults`.
    let owner: String

    /// Reads the kind of a contract, such as `stock`.
    func security(_ node: YAMLNode?, _ list: inout ProblemList) -> Instrument.Security? {
        list.choice(
            node, "\(owner): security", Instrument.Security.allCases.map { ($0.rawValue, $0) })
    }

    /// Reads a text that providers accept: printable ASCII, and short.
    func text(_ node: YAMLNode?, _ key: String, _ list: inout ProblemList) -> String? {
        guard let node, let text = list.text(node, "\(owner): \(key)") else { return nil }
        guard Self.isTakenByProviders(text) else {
            list.add(
                node.position,
                "\(owner): \(key): \(Shown.text(text)) is not at most "
                    + "\(Instrument.Contract.textBytesMax) printable ASCII characters")
            return nil
        }
        return text
    }

    /// Returns whether the text is printable ASCII of at most `textBytesMax` bytes.
    static func isTakenByProviders(_ text: String) -> Bool {
        text.utf8.count <= Instrument.Contract.textBytesMax
            && text.utf8.allSatisfy { (0x20...0x7e).contains($0) }
    }

    /// Reads a currency, of a contract or of the defaults.
    func currency(_ node: YAMLNode?, _ list: inout ProblemList) -> String? {
        guard let node, let text = text(node, "currency", &list) else { return nil }
        guard Self.isCurrency(text) else {
            list.add(
                node.position,
                "\(owner): currency: \(Shown.text(text)) is none: write it like USD")
            return nil
        }
        return text
    }

    /// Returns whether the text has the form of a currency: two to eight capital letters and
    /// digits, which also fits cryptocurrencies.
    static func isCurrency(_ text: String) -> Bool {
        (2...8).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) }
    }

    /// Reads one name of a feed, or a list of them. It returns `nil` when no name is right.
    func feeds(_ node: YAMLNode?, _ list: inout ProblemList) -> Instrument.Feeds? {
        guard let node else { return nil }
        let example = "[quotes, bars]"
        let words = node.scalar == nil ? list.list(node, "\(owner): feeds", as: example) : [node]
        guard let words else { return nil }
        var feeds: Instrument.Feeds = []
        for word in words {
            feeds.formUnion(list.choice(word, "\(owner): feeds", FeedName.all) ?? [])
        }
        return feeds.isEmpty ? nil : feeds
    }

    /// Reads one name of a provider, or a list of them by priority.
    func providers(_ node: YAMLNode?, _ list: inout ProblemList) -> [String]? {
        guard let node else { return nil }
        let words =
            node.scalar == nil ? list.list(node, "\(owner): providers", as: "[ibkr]") : [node]
        guard let words else { return nil }
        var names: [String] = []
        for word in words {
            guard let name = text(word, "providers", &list) else { continue }
            if names.contains(name) {
                list.add(
                    word.position, "\(owner): providers: \(Shown.text(name)) is there twice")
            } else {
                names.append(name)
            }
        }
        if names.count > ProviderLimits.providersMax {
            list.add(
                node.position,
                "\(owner): providers: \(names.count) are more than \(ProviderLimits.providersMax)")
        }
        return names
    }
}
