import Primitives

/// The values of some metrics of a service's page, by name. Pure.
struct PageMetrics: Sendable {
    struct Sample: Equatable, Sendable {
        let labels: [String: String]
        let value: Double
    }

    /// The most samples that are kept of one page. Further ones are left out.
    static let samplesMax = 1_024

    private var samples: [String: [Sample]] = [:]

    /// Reads the text format of Prometheus. A line that is not understood is left out.
    init(_ bytes: [UInt8], wanted: Set<String>) {
        var count = 0
        for line in bytes.split(separator: UInt8(ascii: "\n")) where line.first != 0x23 {
            guard count < Self.samplesMax else { return }
            let end = line.firstIndex { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: " ") }
            guard let end else { continue }
            let name = String(decoding: line[..<end], as: UTF8.self)
            guard wanted.contains(name), let sample = Self.sample(line[end...]) else { continue }
            samples[name, default: []].append(sample)
            count += 1
        }
    }

    func all(_ name: String) -> [Sample] { samples[name] ?? [] }

    func sum(_ name: String) -> Double? {
        samples[name].map { $0.reduce(0) { $0 + $1.value } }
    }

    /// A counter as a whole number. What is no such number is 0.
    func count(_ name: String) -> UInt64 { UInt64(exactly: (sum(name) ?? 0).rounded()) ?? 0 }

    private static func sample(_ rest: ArraySlice<UInt8>) -> Sample? {
        var rest = rest
        var labels: [String: String] = [:]
        if rest.first == UInt8(ascii: "{") {
            rest.removeFirst()
            guard let read = readLabels(&rest) else { return nil }
            labels = read
        }
        let text = String(decoding: rest, as: UTF8.self).split(separator: " ").first
        guard let text, let value = Double(text) else { return nil }
        return Sample(labels: labels, value: value)
    }

    /// Reads up to the closing brace. `nil` if there is none.
    private static func readLabels(_ rest: inout ArraySlice<UInt8>) -> [String: String]? {
        var labels: [String: String] = [:]
        while let first = rest.first {
            if first == UInt8(ascii: "}") {
                rest.removeFirst()
                return labels
            }
            if first == UInt8(ascii: ",") {
                rest.removeFirst()
                continue
            }
            let key = rest.prefix { $0 != UInt8(ascii: "=") }
            rest = rest.dropFirst(key.count + 1)
            guard rest.popFirst() == UInt8(ascii: "\""), let value = readText(&rest) else {
                return nil
            }
            labels[String(decoding: key, as: UTF8.self)] = value
        }
        return nil
    }

    /// Reads up to the closing quote.
    private static func readText(_ rest: inout ArraySlice<UInt8>) -> String? {
        var text: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let escaped = rest.popFirst() else { return nil }
                text.append(escaped == UInt8(ascii: "n") ? UInt8(ascii: "\n") : escaped)
            case _: text.append(byte)
            }
        }
        return nil
    }
}
