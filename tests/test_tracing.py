import torch

from segsr_arch.padding import pad_to_multiple
from segsr_arch.tracing import is_exporting


class Told(torch.nn.Module):
    """Adds one where it is exported, two where it is not."""

    def forward(self, x):
        return x + (1 if is_exporting() else 2)


def test_a_program_is_exported_and_a_compiled_network_is_not():
    network, x = Told(), torch.zeros(2)
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    exported = torch.export.export(network, (x,), strict=False).module()
    assert [each(x)[0].item() for each in (network, compiled, exported)] == [2, 2, 1]


def test_compiled_padding_has_no_operation_where_nothing_is_to_do():
    graphs = []
    compiled = torch.compile(
        lambda x: pad_to_multiple(x * 2, 8), fullgraph=True, backend=lambda graph, _: graphs.append(graph) or graph
    )
    image = torch.rand(1, 3, 8, 16)
    torch.testing.assert_close(compiled(image), image * 2)
    assert [node.op for node in graphs[0].graph.nodes] == ["placeholder", "call_function", "output"]


def test_compiled_padding_gives_the_same_where_there_is_something_to_do():
    compiled = torch.compile(lambda x: pad_to_multiple(x, 8), fullgraph=True, backend="eager")
    for size in ((5, 8), (1, 11)):
        image = torch.rand(1, 3, *size)
        torch.testing.assert_close(compiled(image), pad_to_multiple(image, 8))
