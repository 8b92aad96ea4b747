internal import OperatorGraph
internal import OperatorWorker

/// The operator worker with a custom operator beside its own.
@main
enum Program {
    static func main() {
        var operators = TickOperators.ofThisProgram
        operators.register(Upticks.name, Upticks.self)
        OperatorWorker.Main.run(operators: operators)
    }
}
