"""How an image file becomes pixels: the one way for preparation, option check, data sets, metrics, evaluation, report.

The rules:

- What a file is, its first bytes say, not its name: PNG, TIFF, JPEG, WebP, BMP, GIF or PNM. imagecodecs decodes the
  first four (TIFF by way of tifffile: any number of bands, any depth), since its decoders stop at what is damaged and
  print nothing; Pillow decodes the rest.
- A file that is damaged or cut short does not decode, also where a decoder would make up what is missing: a TIFF strip,
  the end of a JPEG or PNG.
- Size: an image may be as large as its file can hold and the memory at hand takes. No other bound.
- An image stands as people see it: turned as its EXIF orientation says.
- Bands are what the file says they are. One is grey, three are red, green and blue, thirteen are thirteen;
  a fourth is an alpha channel only where the file calls it so. Grey is repeated, an opaque alpha channel dropped;
  transparent pixels, other bands and other colours are refused, unless the bands to use are named.
- Depth is never cut. Fewer than 8 bits, and palettes, become 8 bits exactly; more are refused where 8 are meant, unless
  the values are named that become black and white. Evaluation takes 16 bits as they are.
- Several pages: the first. A colour profile is named, unless it is sRGB, and not applied.
- Whatever is done to an image is said, in loops once for the images of a folder.
"""
