import Foundation
import TestSupport

/// Other projects' clients, as Python programs that record what they receive.
enum ForeignClient {
    case official
    case ibAsync

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let root = folder.deletingLastPathComponent().deletingLastPathComponent()
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    private var script: String {
        self == .official ? "read_official.py" : "read_ib_async.py"
    }

    /// Returns false if the Python package index is not reachable.
    func read(port: UInt16, into path: String) throws -> Bool {
        let engines = Self.root.appendingPathComponent("deploy/local/engines.sh").path
        let script = Self.folder.appendingPathComponent(script).path
        let format = DateFormatter()
        format.dateFormat = "yyyyMMdd-HH:mm:ss"
        format.timeZone = TimeZone(secondsFromGMT: 0)
        let start = format.string(from: Date(timeIntervalSinceNow: -300))
        do {
            try run(
                "/bin/bash",
                [engines, "--of", "ib-clients", script, String(port), "17", start, path],
                environment: ["PYTHONDONTWRITEBYTECODE": "1"])
            return true
        } catch let failure as ProgramFailure where failure.status == Self.absent {
            print("nothing was read by ib_async and the vendor's client: \(failure.message)")
            return false
        }
    }

    /// Returns whether the client decodes the sent value as the seen one.
    func sees(_ sent: SentValue, as seen: SentValue) -> Bool {
        guard sent.kind == seen.kind, sent.request == seen.request else { return false }
        var fields = sent.fields
        switch (self, sent.kind) {
        case (.ibAsync, "tickPrice"): fields.removeLast()  // The client does not report the mask.
        case (.official, "tickOptionComputation"):
            // The client has no value for what is not computed: -1, and -2 for the sensitivities.
            for place in fields.indices.dropFirst(2) {
                let unset = [3, 6, 7, 8].contains(place) ? "-2" : "-1"
                if fields[place] == unset { fields[place] = "" }
            }
        default: break
        }
        return fields.count == seen.fields.count
            && zip(fields, seen.fields).allSatisfy { Self.isSame($0, $1) }
    }

    /// Clients convert texts to numbers, and escapes to characters.
    private static func isSame(_ sent: String, _ seen: String) -> Bool {
        if sent == seen { return true }
        if let number = Double(sent), let other = Double(seen) { return number == other }
        return sent.replacing("\\u00e9", with: "é") == seen
    }
}
