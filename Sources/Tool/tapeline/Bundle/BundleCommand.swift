import Primitives
import ServiceRuntime

/// `tapeline support-bundle`: what a person who helps wants to see, in one file without secrets.
struct BundleCommand: Equatable, Sendable {
    var target = TapeTarget()
    var pages = DoctorCommand.Pages()
    /// The archive, which must not be there yet.
    var output = ""

    static let ending = ".tar.gz"

    static func parse(_ arguments: [String], now: Timestamp) throws(ToolError) -> BundleCommand {
        let arguments = try CommandArguments(
            "support-bundle", arguments,
            .init(
                values: TapeTarget.options.union(DoctorCommand.Pages.options).union(["-o"]),
                flags: []))
        try arguments.requireWords(0, "options only")
        let moment = now.description.prefix(19).filter { $0 != "-" && $0 != ":" }
        let output = try arguments.one("-o") ?? "tapeline-support-\(moment)\(ending)"
        guard output.hasSuffix(ending) else {
            throw .usage("-o wants a file that ends with \(ending), not '\(output.prefix(80))'")
        }
        return BundleCommand(
            target: try TapeTarget(arguments), pages: try DoctorCommand.Pages(arguments),
            output: output)
    }
}
