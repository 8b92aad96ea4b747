import Foundation
import TestSupport

/// A page that says what to do when an alert fires.
struct Runbook {
    static let folder = "docs/runbooks"
    static let sections = ["Meaning", "Impact", "Diagnosis", "Mitigation"]

    let name: String
    let text: String

    static func all() throws -> [Runbook] {
        try CheckoutFiles.names(in: folder, ending: ".md").filter { $0 != "README.md" }.map {
            Runbook(name: String($0.dropLast(3)), text: try CheckoutFiles.text("\(folder)/\($0)"))
        }
    }

    var lines: [String] { text.split(separator: "\n").map(String.init) }

    func body(of section: String) -> String {
        let parts = text.components(separatedBy: "\n## \(section)\n")
        return parts.count == 2 ? parts[1].components(separatedBy: "\n## ")[0] : ""
    }

    /// The command lines, and the texts in backquotes.
    var quoted: [String] {
        let typed = lines.filter { $0.hasPrefix("    ") }.map { String($0.dropFirst(4)) }
        let joined = lines.filter { !$0.hasPrefix("    ") }
            .map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
        return typed + joined.matches(of: /`([^`]+)`/).map { String($0.output.1) }
    }

    /// Returns the words of a command as a shell splits them, without the redirection of its
    /// output.
    static func words(_ command: String) -> [String] {
        command.replacing(#/\s>\s\S+$/#, with: "").matches(of: /"([^"]*)"|([^\s"]+)/).map {
            String($0.output.1 ?? $0.output.2 ?? "")
        }
    }
}

/// The services of docker-compose.yml. The file has anchors, which our own reader of YAML does not
/// support.
struct ComposeFile {
    let services: Set<String>
    let text: String

    init() throws {
        text = try CheckoutFiles.text("docker-compose.yml")
        let part = text.components(separatedBy: "\nservices:\n").last ?? ""
        let upTo = part.components(separatedBy: "\nnetworks:\n")[0]
        services = Set(
            upTo.split(separator: "\n").compactMap {
                $0.wholeMatch(of: #/  ([a-z-]+):(?: &[a-z-]+)?/#).map { String($0.output.1) }
            })
    }
}
