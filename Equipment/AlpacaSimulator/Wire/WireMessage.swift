internal import Primitives

/// A message of the venue before it is written as JSON or as MessagePack.
struct WireMessage: Sendable {
    enum Value: Sendable {
        case text(String)
        case texts([String])
        case integer(Int64)
        /// A number of units of 10^-decimals.
        case decimal(Int64, decimals: Int)
        case time(Timestamp)
    }

    private(set) var fields: [(name: String, value: Value)] = []

    init() {}

    init(_ type: String) { self["T"] = .text(type) }

    /// Appends a field.
    subscript(_ name: String) -> Value? {
        get { fields.first { $0.name == name }?.value }
        set { if let newValue { fields.append((name, newValue)) } }
    }

    /// Returns the message without its type and symbol, as requests for the past answer it.
    var withoutHead: WireMessage {
        var message = WireMessage()
        for field in fields where field.name != "T" && field.name != "S" {
            message[field.name] = field.value
        }
        return message
    }

    // MARK: JSON

    var json: String {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.text
    }

    func write(to writer: inout JSONWriter) {
        writer.object { json in
            for (name, value) in fields {
                switch value {
                case .text(let text): json.member(name, text)
                case .texts(let texts):
                    json.array(name) { list in for text in texts { list.value(text) } }
                case .integer(let number): json.member(name, number)
                case .decimal(let units, let decimals):
                    json.key(name)
                    json.literal(FixedPoint.text(units, decimals: decimals))
                case .time(let time): json.member(name, Self.text(time))
                }
            }
        }
    }

    /// RFC 3339 with as many digits as are needed.
    static func text(_ time: Timestamp) -> String {
        let (seconds, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        let whole = Timestamp(nanoseconds: seconds * 1_000_000_000).description.prefix(19)
        let digits = String(String(rest + 1_000_000_000).dropFirst())
        let fraction = String(digits.reversed().drop { $0 == "0" }.reversed())
        return fraction.isEmpty ? "\(whole)Z" : "\(whole).\(fraction)Z"
    }

    // MARK: MessagePack

    var messagePack: [UInt8] {
        var bytes: [UInt8] = []
        MessagePack.appendMap(fields.count, to: &bytes)
        for (name, value) in fields {
            MessagePack.append(name, to: &bytes)
            switch value {
            case .text(let text): MessagePack.append(text, to: &bytes)
            case .texts(let texts):
                MessagePack.appendArray(texts.count, to: &bytes)
                for text in texts { MessagePack.append(text, to: &bytes) }
            case .integer(let number): MessagePack.append(number, to: &bytes)
            case .decimal(let units, let decimals):
                MessagePack.append(Double(units) / Self.powers[decimals], to: &bytes)
            case .time(let time): MessagePack.append(time, to: &bytes)
            }
        }
        return bytes
    }

    /// Both are exact, so that a quotient is the number that is nearest to the decimal.
    private static let powers: [Double] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]
}
